/** The build makes a string of each stylesheet that a module imports. */

declare module '*.css' {
  const text: string;
  export default text;
}
