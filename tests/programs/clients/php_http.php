<?php
// GET the item, or POST FILE, with file_get_contents: php_http.php URL [FILE]
$http = ['header' => 'Content-Type: text/plain'];
if ($argc > 2) {
    $http += ['method' => 'POST', 'content' => file_get_contents($argv[2])];
}
$answer = file_get_contents($argv[1], false, stream_context_create(['http' => $http]));
echo $answer;
exit($answer === false ? 1 : 0);
