import { describe, expect, test } from 'vitest';
import { contrast, isInvite, rule, tag } from '../../src/embed/tag';

const SCRIPT = { source: 'https://broker.example/w/passerelle.0.js', integrity: 'sha384-a' };
const INVITE = `https://broker.example/#${'A'.repeat(43)}`;

describe('the tag', () => {
  test('is the two lines that the command prints', () => {
    expect(tag(SCRIPT, INVITE, [['layout', 'inline']])).toBe(
      '<script type="module" src="https://broker.example/w/passerelle.0.js" integrity="sha384-a" crossorigin></script>\n' +
        `<passerelle-switch network="${INVITE}" layout="inline" style="display:block;min-height:max(78px,118px - 6vw)"></passerelle-switch>`,
    );
  });

  test('keeps no room for the floating layout', () => {
    expect(tag(SCRIPT, INVITE, [['layout', 'floating']])).not.toContain('style');
  });

  test('lets nothing out of an attribute', () => {
    const text = tag(SCRIPT, `${INVITE}"'><b>&amp;`, [['lang', '"><script>']]);
    expect(text).toContain('&quot;&#x27;&gt;&lt;b&gt;&amp;amp;');
    expect(text.match(/<[a-z/]/g)).toEqual(['<s', '</', '<p', '</']);
  });
});

test('an invite is recognised', () => {
  expect(isInvite(INVITE)).toBe(true);
  expect(isInvite('')).toBe(false);
  expect(isInvite('https://broker.example/')).toBe(false);
});

test('colours become one rule', () => {
  expect(rule([])).toBe('');
  expect(rule([['--passerelle-ink', '#000000']])).toBe('passerelle-switch {\n  --passerelle-ink: #000000;\n}');
});

test('contrast is that of WCAG', () => {
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21);
  expect(contrast('#ffffff', '#000000')).toBeCloseTo(21);
  expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.48, 2);
  expect(contrast('#123456', '#123456')).toBe(1);
});
