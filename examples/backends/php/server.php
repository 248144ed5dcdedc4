<?php
// A page that trusts the assertion and nothing else: 200 with who asks, or 401 with the reason.
//
//   VT_JWKS=https://vt.example.fr/_gateway/jwks.json VT_ISSUER=https://vt.example.fr VT_AUDIENCE=vt php -S 127.0.0.1:8080 server.php

declare(strict_types=1);

require __DIR__ . '/vt_assertion.php';

ini_set('display_errors', '0'); // a warning that is shown goes out before the status, and makes 200 of 401

// VT_JWKS_CACHE: a file in a folder that nobody else can write into. Without it the gateway is asked at every request.
$keys = new KeySet((string) getenv('VT_JWKS'), (string) getenv('VT_JWKS_CACHE'));
$status = 200;
try {
    // A header that came twice reaches PHP as one text with a comma: no assertion looks like that.
    $token = $_SERVER['HTTP_X_VT_ASSERTION'] ?? '';
    $who = read_assertion($token, $keys, (string) getenv('VT_ISSUER'), (string) getenv('VT_AUDIENCE'));
    $body = ['person' => $who['person'], 'on_behalf_of' => $who['delegation']['on_behalf_of'] ?? null];
} catch (Refused $error) {
    [$status, $body] = [401, ['reason' => $error->getMessage()]];
} catch (Throwable $error) { // a fault of ours opens nothing
    error_log((string) $error);
    [$status, $body] = [401, ['reason' => 'it could not be judged']];
}
http_response_code($status);
header('Content-Type: application/json');
echo json_encode($body);
