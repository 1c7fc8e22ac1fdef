import { SeedlessError } from './seedless-error.ts';

/** The fewest digits of a PIN: six, or four where an application asks for it. */
export type PinDigits = 4 | 6;

const mostDigits = 32;

/** PINs that many people choose and that no pattern below finds: keypad figures, famous numbers, dates of habit. */
const common: ReadonlySet<string> = new Set([
  '1004',
  '1010',
  '1313',
  '1379',
  '1397',
  '2001',
  '2580',
  '0852',
  '1590',
  '1591',
  '0007',
  '1337',
  '6969',
  '4200',
  '1470',
  '1472',
  '1236',
  '3141',
  '1593',
  '7410',
  '8520',
  '9630',
  '147258',
  '159753',
  '159357',
  '147852',
  '258456',
  '741852',
  '789456',
  '456789',
  '142536',
  '123654',
  '321654',
  '112358',
  '314159',
  '271828',
  '420420',
  '696969',
  '131313',
  '101010',
  '007007',
  '520520',
  '521521',
  '520131',
  '131420',
  '100200',
  '102030',
  '110110',
  '147147',
  '258258',
  '369369',
  '123789',
  '789123',
  '987321',
  '135790',
  '246810',
  '13579',
  '24680',
  '1357924680',
  '1234512345',
]);

/** Throws SeedlessError `pin-malformed`, `pin-too-short` or `pin-too-common`. The blocklist holds for every length. */
export function assertPin(pin: string, digits: PinDigits): void {
  if (typeof pin !== 'string' || !/^[0-9]*$/.test(pin) || pin.length > mostDigits)
    throw new SeedlessError('pin-malformed', { detail: `a PIN has digits only, at most ${mostDigits}` });
  if (pin.length < digits) throw new SeedlessError('pin-too-short', { detail: `at least ${digits} digits` });
  if (isCommon(pin)) throw new SeedlessError('pin-too-common');
}

function isCommon(pin: string): boolean {
  const values = [...pin].map(Number);
  const steps = values.slice(1).map((value, index) => (value - values[index]! + 10) % 10);
  // 1111, 1234, 9876, 1357, also where they pass from 9 to 0.
  if (steps.every((step) => step === steps[0])) return true;
  return common.has(pin) || isRepeated(pin) || isDoubled(pin) || isMirrored(pin) || isYear(pin);
}

/** 1212, 123123, 12341234. */
function isRepeated(pin: string): boolean {
  for (let length = 1; length <= pin.length / 2; length += 1)
    if (pin.length % length === 0 && pin === pin.slice(0, length).repeat(pin.length / length)) return true;
  return false;
}

/** 1122, 112233. */
const isDoubled = (pin: string): boolean => pin.length % 2 === 0 && /^(?:(\d)\1)+$/.test(pin);

/** 1221, 123321. */
const isMirrored = (pin: string): boolean => pin === [...pin].reverse().join('');

/** 1900 to 2099, alone, and days with one of them: what birthdays look like. */
function isYear(pin: string): boolean {
  const isDay = (text: string) => {
    const [first, second] = [Number(text.slice(0, 2)), Number(text.slice(2, 4))];
    const fits = (day: number, month: number) => day >= 1 && day <= 31 && month >= 1 && month <= 12;
    return fits(first, second) || fits(second, first);
  };
  const year = /^(?:19|20)\d\d$/;
  if (pin.length === 4) return year.test(pin);
  if (pin.length === 8)
    return (
      (isDay(pin.slice(0, 4)) && year.test(pin.slice(4))) ||
      (year.test(pin.slice(0, 4)) && isDay(pin.slice(4)))
    );
  return false;
}
