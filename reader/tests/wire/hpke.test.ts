import { expect, test } from 'vitest';
import { vectors } from '../../../widget/tests/vectors';
import { decapsulate, encapsulate, generateKeys, publicBytes } from '../../src/wire/hpke';
import { bytes, hex } from '../chance';
import { pair } from './keys';

interface Vectors {
  readonly rfc9180: {
    readonly info: string;
    readonly recipient: string;
    readonly recipient_public: string;
    readonly ephemeral: string;
    readonly enc: string;
    readonly plaintext: string;
    readonly sealed: Readonly<Record<string, string>>;
    readonly exported: Readonly<Record<string, string>>;
  };
}

const { rfc9180: rfc } = vectors<Vectors>('oblivious');
const [[aad, sealed] = []] = Object.entries(rfc.sealed);

test('sender and recipient are those of RFC 9180', async () => {
  const sent = await encapsulate(bytes(rfc.recipient_public), bytes(rfc.info), await pair(rfc.ephemeral));
  expect(hex(sent.enc)).toBe(rfc.enc);
  expect(hex(await sent.context.seal(bytes(rfc.plaintext), bytes(aad!)))).toBe(sealed);
  const got = await decapsulate(await pair(rfc.recipient), bytes(rfc.enc), bytes(rfc.info));
  expect(hex(await got.open(bytes(sealed!), bytes(aad!)))).toBe(rfc.plaintext);
  for (const context of [sent.context, got]) {
    for (const [about, exported] of Object.entries(rfc.exported)) {
      expect(hex(await context.export(bytes(about), 32))).toBe(exported);
    }
  }
});

test('anything altered is refused, and so is a key that agrees with every other', async () => {
  const keys = await generateKeys();
  const { context, enc } = await encapsulate(await publicBytes(keys.publicKey), bytes('00'));
  const message = await context.seal(bytes('1234'), bytes('01'));
  const open = async (changed: Uint8Array<ArrayBuffer>, info = '00', about = '01', key = enc) =>
    (await decapsulate(keys, key, bytes(info))).open(changed, bytes(about));
  expect(hex(await open(message))).toBe('1234');
  await expect(open(message.map((byte, at) => (at === 0 ? byte ^ 1 : byte)))).rejects.toThrow();
  await expect(open(message, '02')).rejects.toThrow();
  await expect(open(message, '00', '02')).rejects.toThrow();
  await expect(open(message, '00', '01', enc.map((byte, at) => (at === 0 ? byte ^ 1 : byte)))).rejects.toThrow();
  await expect(encapsulate(new Uint8Array(32), bytes('00'))).rejects.toThrow();
});
