/* A service of inetd: it reads lines in the way that its argument names, and repeats them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int by_fgets(void)
{
    char line[64];
    while (fgets(line, sizeof line, stdin))
        if (printf("fgets: %s", line) < 0)
            return -1;
    return ferror(stdin);
}

static int by_getline(void)
{
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0)
        if (printf("getline: %s", line) < 0)
            return -1;
    free(line);
    return ferror(stdin);
}

static int by_scanf(void)
{
    char word[64];
    int number;
    while (scanf("%63s %d", word, &number) == 2)
        if (printf("scanf: %s %d\n", word, number) < 0)
            return -1;
    return ferror(stdin);
}

static int by_read(void)
{
    char bytes[64];
    ssize_t n;
    while ((n = read(STDIN_FILENO, bytes, sizeof bytes)) > 0)
        if (write(STDOUT_FILENO, bytes, (size_t)n) < n)
            return -1;
    return n < 0;
}

static const struct {
    const char *name;
    int (*run)(void);
} ways[] = {{"fgets", by_fgets}, {"getline", by_getline}, {"scanf", by_scanf}, {"read", by_read}};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (argc == 2 && !strcmp(argv[1], ways[i].name) && ways[i].run()) {
            perror(argv[1]);
            return EXIT_FAILURE;
        }
    return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
