import { bytes } from '../chance';

/** Return both halves of an X25519 key, made from its private bytes (PKCS #8, RFC 8410). */
export async function pair(privateKey: string): Promise<CryptoKeyPair> {
  const pkcs8 = bytes(`302e020100300506032b656e04220420${privateKey}`);
  const key = await crypto.subtle.importKey('pkcs8', pkcs8, 'X25519', true, ['deriveBits']);
  const { x } = await crypto.subtle.exportKey('jwk', key);
  const jwk = { kty: 'OKP', crv: 'X25519', x: x ?? '' };
  return { privateKey: key, publicKey: await crypto.subtle.importKey('jwk', jwk, 'X25519', true, []) };
}
