<?php
// Send FILE and print the answer with a PHP stream: php_stream.php PORT FILE
$peer = stream_socket_client("tcp://127.0.0.1:$argv[1]", $number, $message) or exit(1);
$request = fopen($argv[2], 'r');
while (($piece = fread($request, 65536)) !== '') {
    if (fwrite($peer, $piece) !== strlen($piece)) {
        exit(1);
    }
}
while (($line = fgets($peer)) !== false) {
    echo $line;
}
