// npm's oidc-provider where Microsoft's sign-in would be: on loopback, at Microsoft's paths, with one
// client and one account. What a standard says is its own doing; here stands what each server has to
// bring along.
//
// Prints its address. Then for each answer of the token endpoint one line of JSON, which waits for a
// line on standard input: an organization has to know of a token before anybody can use it.
//
// TENANT, CLIENT, SCOPES: what is asked for. LIFETIME: of access tokens, in seconds. ISSUER: who the
// answer in the browser says that it is from, where that is to be somebody else.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

import Provider, { interactionPolicy } from 'oidc-provider';

// What the provider has to tell whoever runs it is no line of ours.
console.info = console.error;

const { TENANT, CLIENT, SCOPES, LIFETIME, ISSUER } = process.env;
const account = 'ada@contoso.com';

// The address is part of what the provider is made with.
const server = createServer().listen(0, '127.0.0.1');
await once(server, 'listening');
const origin = `http://127.0.0.1:${server.address().port}`;

const policy = interactionPolicy.base();
policy.add(new interactionPolicy.Prompt({ name: 'select_account', requestable: true }), 0);

const provider = new Provider(ISSUER || `${origin}/${TENANT}/v2.0`, {
  clients: [
    {
      client_id: CLIENT,
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['http://localhost'],
      grant_types: [
        'authorization_code',
        'refresh_token',
        'urn:ietf:params:oauth:grant-type:device_code',
      ],
    },
  ],
  scopes: SCOPES.split(' '),
  claims: { profile: ['preferred_username'] },
  conformIdTokenClaims: false,
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: () => ({ sub, preferred_username: account }),
  }),
  // Whoever signs in agrees to what is asked for.
  async loadExistingGrant(ctx) {
    const { accountId } = ctx.oidc.session;
    if (!accountId) return undefined;
    const grant = new provider.Grant({ accountId, clientId: CLIENT });
    grant.addOIDCScope(SCOPES);
    await grant.save();
    return grant;
  },
  pkce: { required: () => true, methods: ['S256'] },
  rotateRefreshToken: true,
  ttl: { AccessToken: Number(LIFETIME) },
  interactions: { policy, url: (_, interaction) => `/interaction/${interaction.uid}` },
  features: { devInteractions: { enabled: false }, deviceFlow: { enabled: true } },
  routes: {
    authorization: `/${TENANT}/oauth2/v2.0/authorize`,
    token: `/${TENANT}/oauth2/v2.0/token`,
    device_authorization: `/${TENANT}/oauth2/v2.0/devicecode`,
    code_verification: '/common/oauth2/deviceauth',
  },
});

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

provider.use(async (ctx, next) => {
  if (ctx.path.endsWith('/authorize')) {
    // OpenID Connect Core, section 11, gives no offline access without it; Microsoft does.
    ctx.query = { ...ctx.query, prompt: `${ctx.query.prompt} consent` };
  }
  await next();
  if (ctx.path.endsWith('/token')) {
    const { grant_type: grant } = ctx.oidc?.params ?? {};
    console.log(JSON.stringify({ status: ctx.status, grant, ...ctx.body }));
    await lines.next();
  }
});

// The one page that the provider wants of whoever runs it.
provider.use(async (ctx, next) => {
  const [, uid, answer] = ctx.path.match(/^\/interaction\/([^/]+)(?:\/(sign-in|cancel))?$/) ?? [];
  if (!uid) return next();
  if (!answer) {
    ctx.body = `<!DOCTYPE html><title>Sign in</title>
      <form method="post"><button id="sign-in" formaction="/interaction/${uid}/sign-in">Sign in</button>
      <button id="cancel" formaction="/interaction/${uid}/cancel">Cancel</button></form>`;
    return undefined;
  }
  const agreed = { login: { accountId: account }, select_account: {}, consent: {} };
  const result = answer === 'cancel' ? { error: 'access_denied' } : agreed;
  ctx.respond = false;
  return provider.interactionFinished(ctx.req, ctx.res, result);
});

server.on('request', provider.callback());
console.log(origin);
