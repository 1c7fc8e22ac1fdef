/**
 * Lets the thread do something else. Between pauses a call takes a few milliseconds of the page's thread: arithmetic on
 * curves for one realm, never for all of them in a row.
 */
export const pause = (): Promise<void> => new Promise((wake) => void setTimeout(wake));
