// The certified oidc-provider, with the claims of a professional in UserInfo. node provider.mjs PORT
import Provider from 'oidc-provider';
import { generateKeyPairSync } from 'node:crypto';

const port = Number(process.argv[2]);
const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  clients: [{
    client_id: 'vt gateway',
    client_secret: 'secret/:+',
    redirect_uris: ['https://vt.test/_gateway/sign-in/psc/callback'],
    post_logout_redirect_uris: ['https://vt.test/_gateway/signed-out'],
    token_endpoint_auth_method: 'client_secret_basic',
  }],
  jwks: { keys: [{ ...key, use: 'sig', alg: 'RS256', kid: 'one' }] },
  cookies: { keys: ['cookie-key'] },
  pkce: { required: () => true },
  scopes: ['openid', 'scope_all'],
  acrValues: ['eidas1'],
  claims: { openid: ['sub'], scope_all: ['SubjectNameID', 'family_name', 'given_name', 'authMode', 'SubjectRefPro'] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: async () => ({
      sub: id,
      SubjectNameID: id,
      family_name: 'MARTIN',
      given_name: 'Claire',
      authMode: 'CARD',
      SubjectRefPro: { exercices: [{ codeProfession: '10', codeCategorieProfessionnelle: 'C', nomDexercice: 'MARTIN-LEROY',
        prenomDexercice: 'Claire', codeTypeSavoirFaire: 'S', codeSavoirFaire: 'SM54', activities: [] }] },
    }),
  }),
});
provider.listen(port, '127.0.0.1', () => console.log('ready'));
