# In place of ssh: helper.sh MODE HOST COMMAND...
# It is the other machine: it has no limits of its own.
unset LD_PRELOAD
mode=$1
shift 2
case $mode in
healthy) exec sh -c "$*" ;;
stalling) sh -c "$*" | head -c 20 ;;
esac
# Whoever waits for more waits for ever: the pipes stay open.
kill -STOP $$
