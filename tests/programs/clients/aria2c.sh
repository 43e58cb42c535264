# Download the item and print it: aria2c.sh URL
# It stores what it fetches under the names that it finds free, so each run has its own place.
directory=$(mktemp -d) || exit
trap 'rm -r "$directory"' EXIT
# One try, and its own timeouts, 60 seconds by default, far from any limit.
aria2c --no-conf --max-tries=1 --connect-timeout=60 --timeout=60 --summary-interval=0 \
    --console-log-level=error --download-result=hide --show-console-readout=false \
    --file-allocation=none -d "$directory" -o item "$1" && cat "$directory/item"
