import { verdictCommand } from './verdict.ts';

export const approvalApprove = verdictCommand('approve', 'agrees to a waiting request');
