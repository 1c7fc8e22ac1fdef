export { permit as use } from '../permit.ts';
