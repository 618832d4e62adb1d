/** Base64 (RFC 4648). Decoding is strict about alphabet and padding. */

const STANDARD = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const URL_SAFE = /^[A-Za-z0-9_-]*$/;

/** Return `bytes` as standard, padded base64. */
export function encode(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

/** Return the bytes of standard, padded base64; null for any other text. */
export function decode(text: string): Uint8Array<ArrayBuffer> | null {
  if (!STANDARD.test(text)) return null;
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

/** Return the bytes of unpadded, canonical base64url (RFC 4648 §5); null for any other text. */
export function decodeUrl(text: string): Uint8Array<ArrayBuffer> | null {
  if (!URL_SAFE.test(text)) return null;
  const bytes = decode(
    text.replaceAll('-', '+').replaceAll('_', '/') + '='.repeat(-text.length & 3),
  );
  return bytes && encodeUrl(bytes) === text ? bytes : null;
}

/** Return `bytes` as unpadded base64url. */
export function encodeUrl(bytes: Uint8Array): string {
  return encode(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}
