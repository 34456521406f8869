/**
 * A page that shows outputs as front ends do that are neither JupyterLab nor Notebook, with a real kernel.
 *
 * Widgets are managed by what VS Code loads for that, `@vscode/jupyter-ipywidgets8`, or by the manager for pages of
 * one's own, `@jupyter-widgets/html-manager`, which Colab's is like. Both load anywidget by RequireJS.
 */

import * as base from '@jupyter-widgets/base';
import { HTMLManager } from '@jupyter-widgets/html-manager';
import { type Kernel, KernelMessage, ServerConnection, KernelManager, SessionManager } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';
import { activate } from '@vscode/jupyter-ipywidgets8';

const VIEW = 'application/vnd.jupyter.widget-view+json';

interface Manager {
  get_model(id: string): Promise<base.WidgetModel>;
  create_view(model: base.WidgetModel, options: object): Promise<base.DOMWidgetView>;
  /** VS Code's takes a message first. */
  display_view(...given: unknown[]): Promise<unknown>;
  has_model(id: string): boolean;
}

interface RequireJS {
  (names: string[], done: (module: Record<string, unknown>) => void, failed: (error: Error) => void): void;
}

declare global {
  interface Window {
    requirejs: RequireJS;
    define(name: string, make: () => unknown): void;
    vscIPyWidgets8: { load(): void };
    vscIPyWidgets: { WidgetManager: new (...given: unknown[]) => Manager };
    elsewhere: { open(kind: string, path: string): Promise<void>; run(code: string, metadata: JSONObject): Promise<string> };
  }
}

const load = (name: string): Promise<Record<string, unknown>> =>
  new Promise((done, failed) => window.requirejs([name], done, failed));

class PageManager extends HTMLManager {
  constructor(private readonly kernel: Kernel.IKernelConnection) {
    super({ loader: load });
    kernel.registerCommTarget(this.comm_target_name, async (comm, message) => {
      await this.handle_comm_open(new base.shims.services.Comm(comm), message);
    });
  }

  override async _create_comm(target: string, id: string, data?: JSONObject, metadata?: JSONObject) {
    const comm = this.kernel.createComm(target, id);
    if (data || metadata) {
      comm.open(data, metadata);
    }
    return new base.shims.services.Comm(comm) as never;
  }

  override async _get_comm_info() {
    const { content } = await this.kernel.requestCommInfo({ target_name: this.comm_target_name });
    return content.status === 'ok' ? (content.comms as never) : {};
  }
}

function managerOf(kind: string, kernel: Kernel.IKernelConnection): Manager {
  if (kind === 'html-manager') {
    window.define('@jupyter-widgets/base', () => base);
    return new PageManager(kernel) as never;
  }
  activate();
  window.vscIPyWidgets8.load();
  const nothing = (): void => undefined;
  const loader = {
    widgetsRegisteredInRequireJs: new Set(['anywidget']),
    errorHandler: (_class: string, name: string, _version: string, error: unknown) => console.error(name, error),
    loadWidgetScript: async () => undefined,
    successHandler: nothing
  };
  return new window.vscIPyWidgets.WidgetManager(kernel, document.body, loader, nothing);
}

let kernel: Kernel.IKernelConnection;
let manager: Manager;
let takesMessage = false;
const shown = new Map<string, HTMLElement>();

/** Shows the first kind of a bundle that it has a renderer for: a widget whose model is there, HTML, text. */
async function render(data: JSONObject, node: HTMLElement): Promise<void> {
  node.replaceChildren();
  const view = data[VIEW] as { model_id: string } | undefined;
  if (view) {
    const model = await manager.get_model(view.model_id);
    const made = await manager.create_view(model, { el: node });
    await (takesMessage ? manager.display_view(view, made, { node }) : manager.display_view(made, node));
  } else if (typeof data['text/html'] === 'string') {
    node.innerHTML = data['text/html'];
  } else {
    node.textContent = String(data['text/plain'] ?? '');
  }
}

window.elsewhere = {
  async open(kind, path) {
    const serverSettings = ServerConnection.makeSettings({
      baseUrl: `${location.origin}/`,
      wsUrl: `${location.origin.replace('http', 'ws')}/`,
      token: new URLSearchParams(location.search).get('token') ?? ''
    });
    const sessions = new SessionManager({ serverSettings, kernelManager: new KernelManager({ serverSettings }) });
    const session = await sessions.startNew({ path, name: path, type: 'notebook', kernel: { name: 'python3' } });
    kernel = session.kernel!;
    kernel.iopubMessage.connect((_, message) => {
      if (KernelMessage.isUpdateDisplayDataMsg(message)) {
        const node = shown.get(String(message.content.transient.display_id));
        if (node) {
          void render(message.content.data as JSONObject, node);
        }
      }
    });
    takesMessage = kind === 'vscode';
    manager = managerOf(kind, kernel);
  },

  async run(code, metadata) {
    const cell = document.createElement('section');
    document.body.append(cell);
    const future = kernel.requestExecute({ code }, false, metadata);
    future.onIOPub = message => {
      if (KernelMessage.isDisplayDataMsg(message) || KernelMessage.isExecuteResultMsg(message)) {
        const node = cell.appendChild(document.createElement('div'));
        shown.set(String(message.content.transient?.display_id), node);
        void render(message.content.data as JSONObject, node);
      } else if (KernelMessage.isStreamMsg(message)) {
        cell.append(message.content.text);
      }
    };
    const reply = await future.done;
    return reply.content.status;
  }
};
