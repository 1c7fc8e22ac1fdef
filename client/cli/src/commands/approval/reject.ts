import { verdictCommand } from './verdict.ts';

export const approvalReject = verdictCommand('reject', 'says no to a waiting request, which ends it');
