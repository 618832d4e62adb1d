/** A gateway for tests: it opens what the page seals, and seals answers, as docs/PROTOCOL.md says. */

import { decapsulate, generateKeys, publicBytes } from '../../src/wire/hpke';
import { integer, join, NONE, type Bytes } from '../../src/wire/integers';
import { answerKeys, header, type KeyConfiguration } from '../../src/wire/oblivious';
import type { AnswerSink, Carrier, OpenRequest } from '../../src/links/carrier';

const ascii = (text: string): Bytes => new TextEncoder().encode(text);
const KEY_ID = 7;

/** One request that arrived, and the way to answer it. */
export interface Arrived {
  /** The request as it came, one character for each byte: enough to look for names and values in it. */
  readonly text: string;
  readonly sink: AnswerSink;
  /** Bytes of the answer that the page said it used. */
  used: number;
  isCancelled: boolean;
  head(status: number, fields: Readonly<Record<string, string>>): Promise<void>;
  content(data: string): Promise<void>;
  /** A chunk without content: the site is silent. */
  silence(): Promise<void>;
  /** The end; `trailer` is the value of `proxy-status` behind the content. */
  end(trailer?: string): Promise<void>;
}

export class TestGateway {
  readonly configuration: KeyConfiguration;
  readonly #keys: CryptoKeyPair;
  readonly #waiting: ((arrived: Arrived) => void)[] = [];
  readonly #arrived: Arrived[] = [];

  private constructor(keys: CryptoKeyPair, publicKey: Bytes) {
    this.#keys = keys;
    this.configuration = { keyId: KEY_ID, publicKey };
  }

  static async make(): Promise<TestGateway> {
    const keys = await generateKeys();
    return new TestGateway(keys, await publicBytes(keys.publicKey));
  }

  /** A link to this gateway, with nothing on the way. It notes what the page thinks of it in `judged`. */
  link(judged: string[] = []): Carrier {
    return {
      isProved: true,
      request: (message: Bytes, sink: AnswerSink) => this.#open(message, sink),
      proved: () => judged.push('proved'),
      failed: () => judged.push('failed'),
      distrust: () => judged.push('distrust'),
    } as unknown as Carrier;
  }

  /** Return the next request. */
  next(): Promise<Arrived> {
    const ready = this.#arrived.shift();
    return ready ? Promise.resolve(ready) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  #open(message: Bytes, sink: AnswerSink): OpenRequest {
    sink.sent();
    const reading = this.#read(message, sink);
    return {
      used: (count) => void reading.then((arrived) => (arrived.used += count)),
      cancel: () => void reading.then((arrived) => (arrived.isCancelled = true)),
    };
  }

  async #read(message: Bytes, sink: AnswerSink): Promise<Arrived> {
    const info = join([ascii('message/bhttp chunked request'), Uint8Array.of(0), header(KEY_ID)]);
    const enc = message.slice(7, 39);
    const context = await decapsulate(this.#keys, enc, info);
    // One chunk, the last: its length is 0.
    const plaintext = await context.open(message.slice(40), ascii('final'));
    const secret = await context.export(ascii('message/bhttp chunked response'), 16);
    const nonce = crypto.getRandomValues(new Uint8Array(16));
    const [raw, base] = await answerKeys(secret, enc, nonce);
    const key = await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt']);
    let count = 0;
    const seal = async (chunk: Bytes, isFinal: boolean) => {
      const iv = base.slice();
      iv[11]! ^= count++;
      const how = { name: 'AES-GCM', iv, ...(isFinal && { additionalData: ascii('final') }) };
      return new Uint8Array(await crypto.subtle.encrypt(how, key, chunk));
    };
    const chunk = async (data: Bytes) => {
      const sealed = await seal(data, false);
      sink.bytes(join([count === 1 ? nonce : NONE, integer(sealed.length), sealed]), false);
    };
    const prefixed = (data: Bytes) => join([integer(data.length), data]);
    const arrived: Arrived = {
      text: Array.from(plaintext, (byte) => String.fromCharCode(byte)).join(''),
      sink,
      used: 0,
      isCancelled: false,
      head: (status, fields) => {
        const lines = Object.entries(fields).flatMap(([name, value]) => [prefixed(ascii(name)), prefixed(ascii(value))]);
        return chunk(join([integer(3), integer(status), ...lines, integer(0)]));
      },
      content: (data) => chunk(prefixed(ascii(data))),
      silence: () => chunk(NONE),
      end: async (trailer) => {
        const line = trailer ? [prefixed(ascii('proxy-status')), prefixed(ascii(trailer))] : [];
        const last = join([integer(0), ...line, integer(0)]);
        sink.bytes(join([integer(0), await seal(last, true)]), true);
      },
    };
    const wake = this.#waiting.shift();
    if (wake) wake(arrived);
    else this.#arrived.push(arrived);
    return arrived;
  }
}
