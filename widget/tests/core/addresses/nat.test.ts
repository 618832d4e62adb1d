import { describe, expect, test } from 'vitest';
import { classify, type Mapping } from '../../../src/core/addresses/nat';

const mapping = (port: number, foundation = 'a', address = '8.8.8.8'): Mapping => ({
  foundation,
  address,
  port,
});
const V6 = '2a00::1';

describe('a browser with one foundation for each address of its own', () => {
  test.each<[string, Mapping[], boolean, string]>([
    ['one mapping', [mapping(1)], true, 'restricted'],
    ['the same mapping twice', [mapping(1), mapping(1)], true, 'restricted'],
    ['two mappings', [mapping(1), mapping(2)], true, 'symmetric'],
    ['two addresses', [mapping(1), mapping(1, 'a', '8.8.8.9')], true, 'symmetric'],
    ['two mappings so far', [mapping(1), mapping(2)], false, 'symmetric'],
    ['two networks', [mapping(1), mapping(2, 'b')], true, 'restricted'],
    ['both families', [mapping(1), mapping(1, 'a', V6)], true, 'restricted'],
    ['one of two networks symmetric', [mapping(1), mapping(2, 'b'), mapping(3, 'b')], true, 'symmetric'],
    ['a silent server', [mapping(1)], false, 'unknown'],
    ['silence', [], false, 'blocked'],
    ['no network', [], true, 'unknown'],
  ])('%s', (_name, mappings, isComplete, nat) => {
    expect(classify(mappings, { isComplete, isByServer: false })).toBe(nat);
  });
});

describe('a browser with another foundation for each server', () => {
  test.each<[string, Mapping[], string]>([
    ['one mapping', [mapping(1)], 'restricted'],
    ['two mappings', [mapping(1), mapping(2, 'b')], 'symmetric'],
    ['both families', [mapping(1), mapping(2, 'b', V6)], 'restricted'],
  ])('%s', (_name, mappings, nat) => {
    expect(classify(mappings, { isComplete: true, isByServer: true })).toBe(nat);
  });
});
