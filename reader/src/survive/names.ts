/** Names that the worker shares with other files. */

/** What the worker's file is called, wherever on the site it lies. */
export const NAME = 'passerelle-survive.js';
/** The lock that each shell at the site's own address holds for as long as it lives. */
export const SHELL_LOCK = 'passerelle shell';
