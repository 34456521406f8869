declare module '*.css';

/** Without types of its own: it is loaded for what it puts into the window. */
declare module '@vscode/jupyter-ipywidgets8' {
  export function activate(): void;
}
