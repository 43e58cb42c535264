/* Says what tests/secure.sh asks for: whether the kernel has said that this process has more
 * rights than whoever has started it, and the limit that it is under. */
#include <stdio.h>
#include <sys/auxv.h>

#include <timeoutsock.h>

int main(void)
{
    printf("%s %d\n", getauxval(AT_SECURE) ? "secure" : "plain", tsock_get_default_timeout());
    return 0;
}
