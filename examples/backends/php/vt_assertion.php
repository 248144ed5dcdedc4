<?php
// Who asks, and for whom: reads the header X-VT-Assertion of the ViaTrajectoire gateway, and believes nothing else.
//
//   $keys = new KeySet('https://vt.example.fr/_gateway/jwks.json', '/var/cache/vt-jwks.json');
//   $who = read_assertion($token, $keys, 'https://vt.example.fr', 'vt');
//
// PHP 8.2 with openssl, nothing else. Copy it; it stands alone. The rules are those of docs/backend.md.

declare(strict_types=1);

const LONGEST = 60; // seconds: the life of an assertion
const LEEWAY = 5; // the difference of two clocks
const FRESH = 300; // keys are asked for again
const KEPT = 3600; // and dropped when nobody answers
const PAUSE = 60; // between two questions
const SHARED = ['type', 'identifier', 'on_behalf_of', 'kind', 'valid_from', 'valid_until'];
const MEMBERS = [...SHARED, 'actions', 'datatypes']; // another may be a limit that you do not understand

/** Answer 401, and say why in your log. */
final class Refused extends Exception
{
}

/**
 * The gateway's keys, kept in a file: a PHP process lives for one request. When nobody answers, they serve for an hour. Whoever can
 * write that file says whose signatures count: it must be in a folder of this application's own, and never in a shared one.
 */
final class KeySet
{
    /** @param array<string, mixed> $document */
    public function __construct(private string $url, private string $file = '', private array $document = ['keys' => []])
    {
    }

    public function pem(mixed $kid): string
    {
        if (!is_word($kid)) {
            throw new Refused('no key is named');
        }
        if ($this->url !== '') {
            $this->refresh($kid);
        }
        $found = $this->find($kid);
        if ($found === null) {
            throw new Refused("the key is not one of the gateway's, or they cannot be had");
        }
        $point = "\x04" . decoded($found['x']) . decoded($found['y']);
        if (strlen($point) !== 65) {
            throw new Refused('the key is no point of P-256');
        }
        $der = hex2bin('3059301306072a8648ce3d020106082a8648ce3d030107034200') . $point; // SubjectPublicKeyInfo, P-256
        return "-----BEGIN PUBLIC KEY-----\n" . chunk_split(base64_encode($der), 64, "\n") . "-----END PUBLIC KEY-----\n";
    }

    private function refresh(string $kid): void
    {
        $kept = is_file($this->file) ? json_decode((string) file_get_contents($this->file), true) : null;
        if (!is_array($kept) || ($kept['url'] ?? null) !== $this->url) {
            $kept = null; // of another gateway
        }
        $age = is_array($kept) ? time() - $kept['known_at'] : PHP_INT_MAX;
        $this->document = $age <= KEPT ? $kept['document'] : ['keys' => []];
        $asked = is_array($kept) ? time() - $kept['asked_at'] : PHP_INT_MAX;
        if (($age <= FRESH && $this->find($kid) !== null) || $asked < PAUSE) {
            return;
        }
        $answer = @file_get_contents($this->url, false, stream_context_create(['http' => ['timeout' => 5]]));
        $fresh = $answer === false ? null : json_decode($answer, true);
        $known = is_array($fresh) && is_array($fresh['keys'] ?? null);
        $this->document = $known ? $fresh : $this->document;
        $times = ['known_at' => $known ? time() : ($kept['known_at'] ?? 0), 'asked_at' => time()];
        if ($this->file !== '') {
            file_put_contents($this->file, json_encode($times + ['url' => $this->url, 'document' => $this->document]), LOCK_EX);
        }
    }

    /** @return array<string, string>|null */
    private function find(string $kid): ?array
    {
        foreach ($this->document['keys'] as $one) {
            if (($one['kid'] ?? null) === $kid && ($one['kty'] ?? null) === 'EC' && ($one['crv'] ?? null) === 'P-256') {
                return $one;
            }
        }
        return null;
    }
}

/**
 * Who asks: person (always the human who signed in), delegation or null, claims. Throws Refused. `jti` need not be
 * remembered: an assertion is sent with many requests of its minute.
 *
 * @return array{person: string, delegation: ?array<string, mixed>, claims: array<string, mixed>}
 */
function read_assertion(string $token, KeySet $keys, string $issuer, string $audience, ?int $now = null): array
{
    $now ??= time();
    $parts = explode('.', $token);
    if (count($parts) !== 3) {
        throw new Refused('an assertion has three parts');
    }
    $header = parsed(decoded($parts[0]));
    if (($header['alg'] ?? null) !== 'ES256' || ($header['typ'] ?? null) !== 'JWT' || array_diff(array_keys($header), ['alg', 'kid', 'typ'])) {
        throw new Refused('the header is not alg ES256, typ JWT and a kid');
    }
    $signature = decoded($parts[2]);
    if (strlen($signature) !== 64) {
        throw new Refused('the signature is not 64 bytes');
    }
    $pem = $keys->pem($header['kid'] ?? null);
    if (@openssl_verify("$parts[0].$parts[1]", der($signature), $pem, OPENSSL_ALGO_SHA256) !== 1) {
        throw new Refused('the signature does not fit');
    }
    $claims = parsed(decoded($parts[1]));
    $issued = $claims['iat'] ?? null;
    $ends = $claims['exp'] ?? null;
    $begins = array_key_exists('nbf', $claims) ? $claims['nbf'] : $issued;
    if (!is_int($issued) || !is_int($ends) || !is_int($begins) || $ends <= $issued || $ends - $issued > LONGEST) {
        throw new Refused('its life is not that of an assertion');
    }
    if ($now < max($issued, $begins) - LEEWAY || $now >= $ends + LEEWAY) {
        throw new Refused('it is over, or comes from the future');
    }
    $addressed = is_word($issuer) && is_word($audience); // a setting that is missing believes nobody
    if (!$addressed || ($claims['iss'] ?? null) !== $issuer || ($claims['aud'] ?? null) !== $audience) {
        throw new Refused("it is not the gateway's word to this application");
    }
    if (!is_word($claims['sub'] ?? null) || !is_word($claims['jti'] ?? null)) {
        throw new Refused('sub or jti is missing');
    }
    $delegation = delegated($claims, $now);
    $person = human($claims, $delegation);
    if ($delegation !== null && $delegation['on_behalf_of'] === $person) {
        throw new Refused('nobody acts on their own behalf');
    }
    return ['person' => $person, 'delegation' => $delegation, 'claims' => $claims];
}

/** `sub`, or with the profile of RFC 8693 `act.sub`, while `sub` is the doctor. */
function human(array $claims, ?array $delegation): string
{
    $person = $claims['sub'];
    if (array_key_exists('act', $claims)) {
        $act = $claims['act'];
        if (!is_array($act) || array_keys($act) !== ['sub'] || $delegation === null) {
            throw new Refused('act comes with a delegation and says who acts');
        }
        if ($claims['sub'] !== $delegation['on_behalf_of']) {
            throw new Refused('two doctors are named');
        }
        $person = $act['sub'];
    }
    if (!is_word($person) || (array_key_exists('idnat_ps', $claims) && $claims['idnat_ps'] !== $person)) {
        throw new Refused('nobody is named, or two people are');
    }
    return $person;
}

/** @return array<string, mixed>|null */
function delegated(array $claims, int $now): ?array
{
    if (!array_key_exists('authorization_details', $claims)) {
        return null;
    }
    $details = $claims['authorization_details'];
    if (!is_array($details) || !array_is_list($details) || $details === []) {
        throw new Refused('authorization_details is a list of objects');
    }
    $first = $details[0];
    $rights = [];
    foreach ($details as $one) {
        if (!is_array($one) || ($one['type'] ?? null) !== 'fr.viatrajectoire.delegation' || array_diff(array_keys($one), MEMBERS)) {
            throw new Refused('not a delegation of a known type');
        }
        foreach (SHARED as $name) {
            if (!is_word($one[$name] ?? null) || $one[$name] !== ($first[$name] ?? null)) {
                throw new Refused("$name is missing, or not the same in every object");
            }
        }
        foreach (['actions', 'datatypes'] as $name) {
            $words = $one[$name] ?? null;
            if (!is_array($words) || !array_is_list($words) || $words === [] || $words !== array_filter($words, 'is_word')) {
                throw new Refused("$name is a list of words");
            }
        }
        foreach ($one['datatypes'] as $module) {
            foreach ($one['actions'] as $action) {
                $rights["$module $action"] = [$module, $action];
            }
        }
    }
    if (!in_array($first['kind'], ['assistant', 'colleague'], true)) {
        throw new Refused('a kind of delegation that is not known');
    }
    $until = instant($first['valid_until']);
    if ($now < instant($first['valid_from']) - LEEWAY || $now >= $until + 1 + LEEWAY) { // its last second counts
        throw new Refused('the delegation is over, or has not begun');
    }
    $told = ['identifier' => $first['identifier'], 'on_behalf_of' => $first['on_behalf_of'], 'kind' => $first['kind']];
    return $told + ['rights' => array_values($rights), 'until' => $until];
}

function is_word(mixed $value): bool
{
    return is_string($value) && $value !== '';
}

function instant(string $text): int
{
    $form = '/^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(Z|[+-]([01]\d|2[0-3]):[0-5]\d)\z/';
    $found = preg_match($form, $text) ? DateTimeImmutable::createFromFormat('Y-m-d\TH:i:sP', $text) : false;
    $faults = DateTimeImmutable::getLastErrors();
    if ($found === false || ($faults && $faults['warning_count'] > 0)) {
        throw new Refused('a date that cannot be read, or has no zone');
    }
    return $found->getTimestamp();
}

/** base64url without padding, in its one spelling. */
function decoded(string $part): string
{
    $found = base64_decode(strtr($part, '-_', '+/'), true);
    if ($found === false || rtrim(strtr(base64_encode($found), '+/', '-_'), '=') !== $part) {
        throw new Refused('a part is not base64url in its one spelling');
    }
    return $found;
}

/** A JSON object in UTF-8; a member named twice is refused: two readers would see two things, and json_decode shows the last. */
function parsed(string $text): array
{
    $found = json_decode($text, true, 20);
    if (!is_array($found) || ltrim($text)[0] !== '{') {
        throw new Refused('a part is not a JSON object');
    }
    $levels = []; // names seen in each object that is open
    if (preg_match_all('/("(?:[^"\\\\]|\\\\.)*")(\s*:)?|[{}]/s', $text, $tokens, PREG_SET_ORDER) === false) {
        throw new Refused('a part is too long to be looked through');
    }
    foreach ($tokens as $token) {
        if ($token[0] === '{') {
            $levels[] = [];
        } elseif ($token[0] === '}') {
            array_pop($levels);
        } elseif (isset($token[2])) {
            $name = json_decode($token[1]);
            if (preg_match('/^\d+\z/', $name)) { // {"0": …} and […] are the same array to PHP; no member of ours is a number
                throw new Refused('a member is named by a number');
            }
            $name = "=$name"; // never a number to PHP
            if (isset($levels[count($levels) - 1][$name])) {
                throw new Refused('a member is named twice');
            }
            $levels[count($levels) - 1][$name] = true;
        }
    }
    return $found;
}

/** r and s, 64 bytes, as openssl wants them (RFC 3279). */
function der(string $signature): string
{
    $numbers = '';
    foreach (str_split($signature, 32) as $number) {
        $number = ltrim($number, "\0");
        $number = $number === '' || ord($number[0]) > 127 ? "\0$number" : $number;
        $numbers .= "\x02" . chr(strlen($number)) . $number;
    }
    return "\x30" . chr(strlen($numbers)) . $numbers;
}
