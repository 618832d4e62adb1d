/** Reading tags as a browser does (HTML Standard §13.2.5.6 to §13.2.5.42), so that nothing hides in how one is written. */

const SPACE = String.raw`\t\n\f\r `;
/** Either the end of a tag, or an attribute with its value as it is written, quotes included. A name may begin with `=`. */
const PART = new RegExp(
  `[${SPACE}/]*(?:(>)|(=[^${SPACE}/>=]*|[^${SPACE}/>=]+)(?:[${SPACE}]*=[${SPACE}]*("[^"]*"?|'[^']*'?|(?![>"'])[^${SPACE}>]+)?)?)`,
  'y',
);
const REFERENCE = /&(?:#x([\da-f]+)|#(\d+)|(amp|lt|gt|quot|colon|sol|period|tab|newline));?/gi;
const NAMED: Readonly<Record<string, string>> = {
  amp: '&', lt: '<', gt: '>', quot: '"', colon: ':', sol: '/', period: '.', tab: '\t', newline: '\n',
};

export interface Attribute {
  /** Where the name stands in the text. */
  readonly at: number;
  /** In lower case. */
  readonly name: string;
  /** With the character references that stand for ASCII undone. */
  readonly value: string;
}

/** What stands in a tag, as far as the text goes. */
export interface Tag {
  readonly attributes: readonly Attribute[];
  /** Whether the text holds the tag's end. */
  readonly isWhole: boolean;
}

/** Read the tag in `text` whose name ends at `at`. */
export function readTag(text: string, at: number): Tag {
  const attributes: Attribute[] = [];
  PART.lastIndex = at;
  for (;;) {
    const part = PART.exec(text);
    if (part?.[1]) return { attributes, isWhole: true };
    // A name, a value or a quotation may go on behind the end of the text.
    if (!part || PART.lastIndex === text.length) return { attributes, isWhole: false };
    const [whole, , name, written = ''] = part;
    const value = referenced(written.replace(/^(["'])([^]*)\1$/, '$2'));
    attributes.push({ at: part.index + whole.indexOf(name!), name: name!.toLowerCase(), value });
  }
}

/** Return `text` with its character references undone, as far as they stand for ASCII. */
export const referenced = (text: string): string =>
  text.replace(REFERENCE, (whole, hex?: string, decimal?: string, named?: string) => {
    if (named) return NAMED[named.toLowerCase()]!;
    const code = hex ? parseInt(hex, 16) : Number(decimal);
    return code < 0x80 ? String.fromCharCode(code) : whole;
  });
