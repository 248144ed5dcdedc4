<?php
// Judges a document of assertions and exits 1 at the first one judged wrongly.
//
//   php self_test.php ../vectors.json
//   php -d openssl.cafile=ca.pem self_test.php https://vt.example.fr/_gateway/assertion-tests

declare(strict_types=1);

require __DIR__ . '/vt_assertion.php';

$document = json_decode((string) file_get_contents($argv[1]), true, 512, JSON_THROW_ON_ERROR);
$keys = new KeySet('', '', $document['jwks']);
$judge = fn (string $token): array => read_assertion($token, $keys, $document['issuer'], $document['audience'], $document['now']);

function wrong(string $message): never
{
    echo $message, "\n";
    exit(1);
}

foreach ($document['good'] as $one) {
    try {
        $who = $judge($one['token']);
    } catch (Refused $error) {
        wrong("wrongly refused: {$one['name']}: {$error->getMessage()}");
    }
    $given = $who['delegation'];
    if ($given !== null) {
        sort($given['rights']);
        $given['until'] = gmdate('Y-m-d\TH:i:s\Z', $given['until']);
    }
    $claims = $who['claims'];
    $names = ['family_name' => $claims['family_name'] ?? null, 'given_name' => $claims['given_name'] ?? null];
    $found = ['person' => $who['person']] + $names + ['assurance' => $claims['acr'] ?? null, 'delegation' => $given];
    if ($found != $one['expect']) {
        wrong("misread: {$one['name']}: " . json_encode($found));
    }
}
foreach ($document['bad'] as $one) {
    try {
        $judge($one['token']);
    } catch (Refused) {
        continue;
    }
    wrong("wrongly believed: {$one['name']}: {$one['why']}");
}
echo count($document['good']), ' believed, ', count($document['bad']), " refused\n";
