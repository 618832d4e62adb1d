import { describe, expect, test } from 'vitest';
import { PeerError } from '../../../src/core/errors';
import { read, write } from '../../../src/core/wire/description';
import { fromOwnSdp, toSdp } from '../../../src/core/wire/sdp';
import { vectors } from '../../vectors';

interface Rendered {
  text: string;
  sdp: string | null;
}

interface Own {
  sdp: string;
  description: object | null;
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

describe('descriptions are checked and rendered as Python does it', () => {
  test.each(vectors<Rendered[]>('descriptions'))('$text', ({ text, sdp }) => {
    if (sdp === null) expect(() => read(parse(text))).toThrow(PeerError);
    else expect(toSdp(read(parse(text)))).toBe(sdp);
  });
});

describe("our own stack's SDP is read as Python reads it", () => {
  test.each(vectors<Own[]>('own_sdp'))('%#', ({ sdp, description }) => {
    if (description === null) expect(() => fromOwnSdp(sdp)).toThrow(PeerError);
    else expect(write(fromOwnSdp(sdp))).toEqual(description);
  });
});

test('an SDP has only the lines of the template, whatever was accepted', () => {
  for (const { text, sdp } of vectors<Rendered[]>('descriptions')) {
    if (sdp === null) continue;
    const found = read(parse(text));
    const lines = toSdp(found).split('\r\n');
    // The extended reports, which 0 stands for, take eight lines.
    const lacks = [...new Set(found.media === 3 ? found.lacks : [])].reduce((sum, each) => sum + (each === 0 ? 8 : 1), 0);
    const video = ({ 2: 28, 3: 56 }[found.media ?? 0] ?? (found.media ? 17 : 0)) - lacks;
    expect(lines).toHaveLength(15 + found.candidates.length + video);
    expect(toSdp(found)).toMatch(/^[\x20-\x7e\r\n]+$/);
  }
});
