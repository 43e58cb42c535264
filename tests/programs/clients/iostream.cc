/* A service of inetd: it repeats lines, by streams that share stdio's buffers or, when its
 * argument says so, have their own.  An istream over stdio takes a failed read for the end of
 * the file; stdio knows. */
#include <cstdio>
#include <iostream>
#include <string>

int main(int argc, char **)
{
    if (argc > 1)
        std::ios::sync_with_stdio(false);
    std::string line;
    while (std::getline(std::cin, line))
        if (!(std::cout << "iostream: " << line << std::endl))
            return 1;
    return std::cin.eof() && !std::ferror(stdin) ? 0 : 1;
}
