export { ShacompError, type ErrorCode } from './errors.js';
