#include "report.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "real.h"

enum { LONGEST_WORD = 100 };

struct line {
    size_t used;
    char text[512];
};

static void add_byte(struct line *line, char byte)
{
    if (line->used < sizeof line->text - 1)     /* the last one is for the newline */
        line->text[line->used++] = byte;
}

static void add_word(struct line *line, const char *word)
{
    static const char digit[] = "0123456789abcdef";
    for (size_t end = line->used + LONGEST_WORD; *word; word++) {
        if (line->used >= end) {
            add_word(line, "...");
            return;
        }
        unsigned char byte = (unsigned char)*word;
        if (byte >= ' ' && byte < 0x7f) {
            add_byte(line, *word);
            continue;
        }
        add_byte(line, '\\');
        add_byte(line, 'x');
        add_byte(line, digit[byte >> 4]);
        add_byte(line, digit[byte & 15]);
    }
}

/* A program that says nothing on standard error may have any there: a full pipe, which a line
 * would wait for, or one that nobody reads, for which SIGPIPE would end it. */
static bool takes_a_line(void)
{
    struct pollfd p = {STDERR_FILENO, POLLOUT, 0};
    return REAL(poll)(&p, 1, 0) == 1 && p.revents == POLLOUT;
}

void report_line(const char *word, ...)
{
    int saved_errno = errno;
    struct line line = {0};
    add_word(&line, "timeoutsock: ");
    va_list words;
    va_start(words, word);
    for (; word; word = va_arg(words, const char *))
        add_word(&line, word);
    va_end(words);
    line.text[line.used++] = '\n';
    if (takes_a_line())
        (void)!REAL(write)(STDERR_FILENO, line.text, line.used);
    errno = saved_errno;
}
