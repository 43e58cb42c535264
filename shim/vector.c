#include "vector.h"

size_t vector_total(const struct iovec *iov, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += iov[i].iov_len;
    return total;
}

void vector_rest(struct vector *rest, const struct iovec *iov, size_t count, size_t done)
{
    rest->count = 0;
    for (size_t i = 0; i < count && rest->count < VECTOR_PIECES; i++) {
        if (done >= iov[i].iov_len) {
            done -= iov[i].iov_len;
            continue;
        }
        rest->pieces[rest->count++] = (struct iovec){(char *)iov[i].iov_base + done, iov[i].iov_len - done};
        done = 0;
    }
}
