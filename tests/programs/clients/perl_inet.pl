# Send FILE and print the answer with IO::Socket::INET: perl_inet.pl PORT FILE
use strict;
use warnings;
use IO::Socket::INET;

my ($port, $file) = @ARGV;
my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp')
    or die "connect: $@\n";
open my $request, '<:raw', $file or die "$file: $!\n";
# As so many scripts do, it does not look at what print returns.
while (read $request, my $piece, 8192) {
    print $socket $piece;
}
$socket->flush;
$! = 0;
while (defined(my $line = <$socket>)) {
    print $line;
}
die "read: $!\n" if $!;
