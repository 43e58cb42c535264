# Send FILE and print the answer through bash's /dev/tcp: bash_tcp.sh PORT FILE
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit
# cat is another process, which finds the socket as its standard output.
cat "$2" >&3 || exit
while IFS= read -r line; do
    printf '%s\n' "$line"
done <&3
