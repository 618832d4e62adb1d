/** Hybrid public key encryption (RFC 9180), base mode, on the browser's own cryptography:
 * DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM.
 *
 * `@hpke/core` does the same with 9 KB, a third of what the page may weigh before the first byte of the site. The
 * RFC's own vectors hold this module.
 */

import { join, NONE, utf8, type Bytes } from './integers';

export const ENC_BYTES = 32;
export const TAG_BYTES = 16;

/** No salt is as many zeros as a hash has (RFC 5869 §2.2). */
const ZEROS: Bytes = new Uint8Array(32);

const NAME = 'X25519';
const HASH = 'SHA-256';
const KEM_ID = Uint8Array.of(75, 69, 77, 0, 0x20); // "KEM", DHKEM(X25519, HKDF-SHA256)
const SUITE_ID = Uint8Array.of(72, 80, 75, 69, 0, 0x20, 0, 1, 0, 1); // "HPKE", the same, HKDF-SHA256, AES-128-GCM

/** What both sides share about one message. */
export class HpkeContext {
  readonly #key: CryptoKey;
  readonly #nonce: Bytes;
  readonly #exporter: Bytes;

  constructor(key: CryptoKey, nonce: Bytes, exporter: Bytes) {
    this.#key = key;
    this.#nonce = nonce;
    this.#exporter = exporter;
  }

  /** Seal the one message of this context. A second one would need another nonce. */
  async seal(plaintext: Bytes, additionalData: Bytes = NONE): Promise<Bytes> {
    const how = { name: 'AES-GCM', iv: this.#nonce, additionalData };
    return new Uint8Array(await crypto.subtle.encrypt(how, this.#key, plaintext));
  }

  /** Open the one message of this context. Rejects for anything altered. */
  async open(sealed: Bytes, additionalData: Bytes = NONE): Promise<Bytes> {
    const how = { name: 'AES-GCM', iv: this.#nonce, additionalData };
    return new Uint8Array(await crypto.subtle.decrypt(how, this.#key, sealed));
  }

  /** Return a secret of `size` bytes, at most 32, for `label` (§5.3). */
  async export(label: Bytes, size: number): Promise<Bytes> {
    const block = await mac(this.#exporter, join([expanding(SUITE_ID, 'sec', label, size), Uint8Array.of(1)]));
    return block.slice(0, size);
  }
}

/** Return a fresh pair of keys. */
export const generateKeys = (): Promise<CryptoKeyPair> =>
  crypto.subtle.generateKey(NAME, false, ['deriveBits']) as Promise<CryptoKeyPair>;

/** Return the 32 bytes of a public key. */
export const publicBytes = async (key: CryptoKey): Promise<Bytes> =>
  new Uint8Array(await crypto.subtle.exportKey('raw', key));

/** Return a context for one message to the owner of `publicKey`, and the encapsulated key that goes with it.
 *
 * `ephemeral` is drawn unless a test gives it. Rejects for a key on no curve.
 */
export async function encapsulate(
  publicKey: Bytes,
  info: Bytes,
  ephemeral?: CryptoKeyPair,
): Promise<{ readonly context: HpkeContext; readonly enc: Bytes }> {
  const keys = ephemeral ?? (await generateKeys());
  const [enc, shared] = await Promise.all([publicBytes(keys.publicKey), agree(keys.privateKey, publicKey)]);
  return { context: await schedule(shared, join([enc, publicKey]), info), enc };
}

/** Return the context of the one message that came with `enc`. Rejects for a key on no curve. */
export async function decapsulate(keys: CryptoKeyPair, enc: Bytes, info: Bytes): Promise<HpkeContext> {
  const [own, shared] = await Promise.all([publicBytes(keys.publicKey), agree(keys.privateKey, enc)]);
  return schedule(shared, join([enc, own]), info);
}

async function agree(privateKey: CryptoKey, publicKey: Bytes): Promise<Bytes> {
  const other = await crypto.subtle.importKey('raw', publicKey, NAME, false, []);
  return new Uint8Array(await crypto.subtle.deriveBits({ name: NAME, public: other }, privateKey, 256));
}

/** ExtractAndExpand (§4.1), then KeySchedule (§5.1) without a pre-shared key. A browser does each step in another thread, and
 * handing it over takes longer than the step. So what can be done at once is. */
async function schedule(agreed: Bytes, keys: Bytes, info: Bytes): Promise<HpkeContext> {
  const [shared, ...hashes] = await Promise.all([
    derive(ZEROS, labelled(KEM_ID, 'eae_prk', agreed), expanding(KEM_ID, 'shared_secret', keys, 32), 32),
    mac(ZEROS, labelled(SUITE_ID, 'psk_id_hash', NONE)),
    mac(ZEROS, labelled(SUITE_ID, 'info_hash', info)),
  ]);
  const around = join([Uint8Array.of(0), ...hashes]);
  const material = labelled(SUITE_ID, 'secret', NONE);
  const part = (label: string, size: number) => derive(shared, material, expanding(SUITE_ID, label, around, size), size);
  const [raw, nonce, exporter] = await Promise.all([part('key', 16), part('base_nonce', 12), part('exp', 32)]);
  const key = await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt']);
  return new HpkeContext(key, nonce, exporter);
}

/** Return `size` bytes of HKDF with SHA-256 (RFC 5869): extracted from `salt` and `material`, expanded for `info`. */
export async function derive(salt: Bytes, material: Bytes, info: Bytes, size: number): Promise<Bytes> {
  const key = await crypto.subtle.importKey('raw', material, 'HKDF', false, ['deriveBits']);
  return new Uint8Array(await crypto.subtle.deriveBits({ name: 'HKDF', hash: HASH, salt, info }, key, size * 8));
}

/** What LabeledExtract extracts from. */
const labelled = (suite: Bytes, label: string, material: Bytes): Bytes =>
  join([utf8('HPKE-v1'), suite, utf8(label), material]);

/** What LabeledExpand expands for, to at most one hash's length. */
const expanding = (suite: Bytes, label: string, info: Bytes, size: number): Bytes =>
  join([Uint8Array.of(0, size), labelled(suite, label, info)]);

/** HMAC, which is also HKDF's first half, and its second for at most one hash's length. */
async function mac(key: Bytes, message: Bytes): Promise<Bytes> {
  const imported = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: HASH }, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, message));
}
