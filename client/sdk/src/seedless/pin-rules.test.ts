import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertPin, type PinDigits } from './pin-rules.ts';
import { SeedlessError } from './seedless-error.ts';

function verdict(pin: string, digits: PinDigits = 6): string {
  try {
    assertPin(pin, digits);
  } catch (error) {
    assert.ok(error instanceof SeedlessError);
    assert.ok(!error.message.includes(pin) || pin === '', 'an error must not show the PIN');
    return error.code;
  }
  return 'accepted';
}

describe('PIN rules', () => {
  test('six digits are the least, four where an application asks for them, and only digits', () => {
    assert.equal(verdict('180361'), 'accepted');
    assert.equal(verdict('18036'), 'pin-too-short');
    assert.equal(verdict('1803'), 'pin-too-short');
    assert.equal(verdict('1803', 4), 'accepted');
    assert.equal(verdict('180', 4), 'pin-too-short');
    assert.equal(verdict(''), 'pin-too-short');
    assert.equal(verdict('18036a'), 'pin-malformed');
    assert.equal(verdict('１８０３６１'), 'pin-malformed');
    assert.equal(verdict('1'.repeat(33)), 'pin-malformed');
  });

  test('common PINs are refused at every length', () => {
    for (const pin of [
      '000000',
      '123456',
      '654321',
      '135791',
      '121212',
      '123123',
      '112233',
      '123321',
      '159753',
    ])
      assert.equal(verdict(pin), 'pin-too-common', pin);
    for (const pin of ['1111', '1234', '4321', '8901', '1212', '1122', '1221', '2580', '1984', '2007'])
      assert.equal(verdict(pin, 4), 'pin-too-common', pin);
    for (const pin of ['24121990', '12241990', '19901224', '12341234'])
      assert.equal(verdict(pin), 'pin-too-common', pin);
  });

  test('what is refused leaves more than 94 of 100 PINs of four digits, and more than 99 of 100 of six', () => {
    const share = (digits: 4 | 6) => {
      let accepted = 0;
      for (let pin = 0; pin < 10 ** digits; pin += digits === 6 ? 7 : 1)
        if (verdict(String(pin).padStart(digits, '0'), digits) === 'accepted') accepted += 1;
      return accepted / Math.ceil(10 ** digits / (digits === 6 ? 7 : 1));
    };
    assert.ok(share(4) > 0.94, String(share(4)));
    assert.ok(share(6) > 0.99, String(share(6)));
  });
});
