import assert from 'node:assert/strict';
import { Refused } from '../raw-client.ts';

/** For assert.rejects: an error answer with this stable code, and where given this `field`. */
export function code(expected: string, field?: string): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof Refused, String(error));
    assert.equal(error.code, expected, error.message);
    if (field !== undefined) assert.equal(error.body.field, field);
    return true;
  };
}
