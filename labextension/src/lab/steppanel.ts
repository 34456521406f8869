/** All of one step in JupyterLab's right area: the panel that the graph has beside it. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { element } from '../dom';
import { Panel } from '../panel';
import { type StepHow, toDetail } from '../protocol';
import { isPart } from '../read';
import type { CellFacts } from './facts';
import { stepIcon } from './icons';
import { type Log, wordsOf } from './kernel';
import type { Pipeline } from './pipeline';
import { run } from './running';

/** Opens a step's panel; `opener` gets the keyboard back. */
export type OpenStep = (pipeline: Pipeline, step: string, opener: HTMLElement | null) => void;

class StepPanel extends Widget {
  private readonly panel: Panel;
  private readonly said = element('div', { class: 'mlp-aside-said', role: 'status' });
  private pipeline: Pipeline | null = null;
  private facts: CellFacts | undefined;
  private opener: HTMLElement | null = null;
  private takesFocus = false;
  private nAsked = 0;

  constructor() {
    super({ node: element('div', { class: 'mlp mlp-aside' }) });
    this.id = 'mlpipe-step';
    this.title.icon = stepIcon;
    this.title.caption = 'Step';
    this.panel = new Panel({
      close: () => this.close(),
      run: how => this.run(how),
      cancel: step => this.cancel(step),
      say: text => (this.said.textContent = text)
    });
    this.node.append(this.said, this.panel.node);
    this.node.addEventListener('keydown', event => {
      if (event.key === 'Escape') {
        event.stopPropagation();
        this.close();
      }
    });
  }

  open(pipeline: Pipeline, step: string, opener: HTMLElement | null): void {
    this.leave();
    this.pipeline = pipeline;
    this.opener = opener;
    // Who points goes on in the notebook.
    this.takesFocus = opener === null || opener === document.activeElement;
    this.facts = pipeline.named(step);
    pipeline.changed.connect(this.renew, this);
    pipeline.logged.connect(this.log, this);
    pipeline.panel.disposed.connect(this.close, this);
    this.said.textContent = '';
    this.panel.open(step, this.facts);
    void this.ask();
  }

  protected override onActivateRequest(_: Message): void {
    if (this.takesFocus) {
      this.panel.node.focus({ preventScroll: true });
    }
  }

  protected override onCloseRequest(message: Message): void {
    const hadFocus = this.node.contains(document.activeElement);
    const { pipeline, opener } = this;
    this.leave();
    super.onCloseRequest(message); // out of the side area, to be added again
    if (hadFocus) {
      // A badge may have gone meanwhile: its kernel has.
      const back = opener?.isConnected ? opener : pipeline?.panel.content.node;
      back?.focus({ preventScroll: true });
    }
  }

  private leave(): void {
    const { pipeline } = this;
    if (pipeline) {
      pipeline.changed.disconnect(this.renew, this);
      pipeline.logged.disconnect(this.log, this);
      pipeline.panel.disposed.disconnect(this.close, this);
      pipeline.ask({ do: 'close' }).catch(() => undefined);
    }
    this.pipeline = null;
    this.nAsked += 1; // what it still answers is past
    this.panel.close();
  }

  private renew(): void {
    const step = this.panel.step;
    const facts = step === null ? undefined : this.pipeline?.named(step);
    const before = this.facts;
    this.facts = facts;
    if (!facts) {
      this.said.textContent = 'The kernel knows no such step any more';
      return;
    }
    if (!before) {
      this.said.textContent = '';
    }
    this.panel.paint(facts);
    // Not each second of a step that runs: what it prints comes by itself.
    if (before?.status !== facts.status || before.plan !== facts.plan) {
      void this.ask();
    }
  }

  private async ask(): Promise<void> {
    const { pipeline, panel } = this;
    const number = ++this.nAsked;
    try {
      const { detail } = (await pipeline?.ask({ do: 'step', step: panel.step })) ?? {};
      if (number === this.nAsked && isPart(detail)) {
        this.panel.show(toDetail(detail));
      }
    } catch (error) {
      if (number === this.nAsked) {
        this.say(error);
      }
    }
  }

  private say(error: unknown): void {
    this.said.textContent = wordsOf(error);
  }

  private cancel(step: string): void {
    this.pipeline?.ask({ do: 'cancel', step }).catch((error: unknown) => this.say(error));
  }

  private log(_: unknown, { step, text }: Log): void {
    if (step === this.panel.step) {
      this.panel.append(text);
    }
  }

  private async run(how: StepHow): Promise<void> {
    const { pipeline, facts } = this;
    if (!pipeline || !facts) {
      return;
    }
    const cell = pipeline.panel.content.widgets.find(each => each.model.id === facts.cell);
    const waits = setTimeout(() => (this.said.textContent = 'Starts when the kernel is free'), 400);
    try {
      // Cells that were edited since run first.
      const text = cell ? await run(pipeline, cell, how) : '';
      if (!cell) {
        await pipeline.ask({ do: 'run', how, step: facts.name });
      }
      this.said.textContent = text;
    } catch (error) {
      this.say(error);
    } finally {
      clearTimeout(waits);
    }
  }
}

export function activateStepPanel(app: JupyterFrontEnd): OpenStep {
  let made: StepPanel | null = null;
  return (pipeline, step, opener) => {
    if (!made || made.isDisposed) {
      made = new StepPanel();
    }
    made.open(pipeline, step, opener);
    if (!made.isAttached) {
      app.shell.add(made, 'right', { rank: 800 });
    }
    app.shell.activateById(made.id);
  };
}
