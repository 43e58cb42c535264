# Fetch a repository and list what came: git_fetch.sh URL
# It stores what it fetches, so each run has its own place.
directory=$(mktemp -d) || exit
trap 'rm -r "$directory"' EXIT
cd "$directory" && git init -q --bare && git fetch -q "$1" "+refs/*:refs/*" && git tag
