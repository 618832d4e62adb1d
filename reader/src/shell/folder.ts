/** Where the page's own files lie. */
export const FOLDER = '/passerelle.reader/';
