/** One graph in the page: a bar with tabs, the graph, its timeline and the runs below it, and a step's panel beside them. */

import { button, element, hear, QUIETLY } from './dom';
import { Finder } from './finder';
import { Graph } from './graph';
import { Instead } from './instead';
import { News } from './news';
import { paintRun } from './paint';
import { Panel } from './panel';
import { apply, type Ask, type GraphState, type Message, NOTHING, type RunHow } from './protocol';
import { Runs } from './runs';
import { Tabs } from './tabs';
import { Timeline } from './timeline';

const WAITS_MS = 400;

/** What of a view goes on in the one that takes its place. */
export interface Kept {
  tab: string;
  current: string;
  opened: string | null;
  /** Whether the focus was on a button, and not in the drawing. */
  isOnButton: boolean;
}

export class View {
  readonly node: HTMLElement;
  readonly #shown: Graph;
  readonly #timeline = new Timeline(step => this.#open(step));
  readonly #runs = new Runs({
    show: run => this.ask({ graph: this.graph, do: 'past', run }),
    compare: runs => this.ask({ graph: this.graph, do: 'compare', runs })
  });
  readonly #instead = new Instead(() => this.#showRuns());
  readonly #history: HTMLElement;
  readonly #tabs: Tabs;
  readonly #news = new News();
  readonly #panel: Panel;
  readonly #runText = element('span', 'mlp-run');
  readonly #said = element('span', 'mlp-said');
  readonly #finder: Finder;
  readonly #staleButton: HTMLButtonElement;
  readonly #runButton: HTMLButtonElement;
  readonly #stopButton: HTMLButtonElement;
  readonly #foldButton: HTMLButtonElement;
  readonly #graphTools: HTMLElement[];
  #state = NOTHING;
  #n = -1;
  #isBehind = false;
  #pending = new Set<string>();
  #frame = 0;
  #waits: ReturnType<typeof setTimeout> | null = null;

  constructor(
    readonly graph: string,
    svg: SVGSVGElement,
    private readonly ask: (asked: Ask) => void,
    before?: View
  ) {
    this.#shown = new Graph(svg, { open: name => this.#open(name), fold: (group, isFolded) => this.#fold(group, isFolded) });
    this.#panel = new Panel({
      close: () => this.#close(),
      run: (how, step) => this.#run(how, step),
      cancel: step => this.ask({ graph, do: 'cancel', step }),
      say: text => this.#say(text)
    });
    this.#history = element('div', { class: 'mlp-history', hidden: '' }, this.#runs.node, this.#instead.node);
    this.#finder = new Finder(this.#shown.picture, {
      makes: name => {
        const step = this.#state.steps[name];
        return [...(step?.makes.map(([output]) => output) ?? []), ...(step?.members ?? [])];
      },
      found: names => {
        this.#news.add('found', `${names.length} found`);
        this.#shown.reveal(names[0] ?? '');
      },
      go: name => this.#shown.go(name),
      leave: () => this.#shown.go(this.#shown.current)
    });
    this.#staleButton = button('Run', 'Run what no longer matches the notebook', () => this.#run('stale'));
    this.#runButton = button('Run all', 'Run all that is not done', () => this.#run('all'));
    this.#stopButton = button('Stop', 'Stop what runs', () => {
      this.#say('Stopping …');
      this.ask({ graph, do: 'stop' });
    });
    const { viewport } = this.#shown;
    this.#foldButton = button('Fold', 'Fold all groups to one node each (g: that of a step)', () => this.#foldAll());
    this.#foldButton.hidden = true;
    const zoom = element(
      'div',
      { class: 'mlp-group mlp-zoom', role: 'group', 'aria-label': 'Zoom and folding' },
      this.#foldButton,
      button('−', 'Zoom out (-)', () => viewport.zoom(1 / 1.25)),
      button('+', 'Zoom in (+)', () => viewport.zoom(1.25)),
      button('Fit', 'Show all (0)', () => viewport.fit())
    );
    this.#graphTools = [this.#finder.node, zoom];
    const acts = element('div', 'mlp-group', this.#staleButton, this.#runButton, this.#stopButton);
    const views: [string, HTMLElement][] = [
      ['Graph', element('div', 'mlp-view', this.#shown.node)],
      ['Timeline', this.#timeline.node],
      ['Runs', this.#history]
    ];
    this.#tabs = new Tabs(views, name => this.#choose(name));
    const bar = element('div', 'mlp-bar', this.#tabs.node, this.#runText, this.#said, ...this.#graphTools, acts);
    const main = element('div', 'mlp-main', ...views.map(([, view]) => view), this.#panel.node);
    this.node = element('div', 'mlp', bar, main, this.#news.node);
    hear(this.node, {
      focusin: event => (this.focused = event.target as HTMLElement | SVGElement),
      focusout: event => {
        // Without a target where it is taken out of the page.
        if (event.relatedTarget !== null) {
          this.focused = null;
        }
      },
      keydown: event => this.#key(event)
    });
    this.#tabs.show('Graph');
    if (before) {
      // What the kernel tells next is told on top of it.
      [this.#state, this.#n] = [before.#state, before.#n];
      this.#shown.paint(this.#state, Object.keys(this.#state.steps));
      this.#timeline.paint(this.#state);
    }
    this.#paintRun();
  }

  /** Takes what the kernel says of this graph. */
  take(message: Message): void {
    switch (message.kind) {
      case 'all':
        this.#n = message.n;
        this.#isBehind = false;
        this.#update(message.told, Object.keys(message.told.steps));
        break;
      case 'changed':
        if (message.n <= this.#n) {
          break;
        }
        if (message.n > this.#n + 1) {
          if (!this.#isBehind) {
            this.#isBehind = true;
            this.ask({ graph: this.graph, do: 'hello' });
          }
          break;
        }
        this.#n = message.n;
        this.#update(apply(this.#state, message.told), Object.keys(message.told.steps ?? {}));
        break;
      case 'detail':
        if (message.step === this.#panel.step) {
          this.#panel.show(message.told);
        }
        break;
      case 'log':
        if (message.step === this.#panel.step) {
          this.#panel.append(message.told);
        }
        break;
      case 'runs':
        this.#runs.show(message.told);
        break;
      case 'compared':
      case 'past':
        if (this.#tabs.chosen === 'Runs') {
          this.#runs.node.hidden = true;
          if (message.kind === 'past') {
            this.#instead.past(message.told);
          } else {
            this.#instead.compared(message.told);
          }
        }
        break;
      case 'said':
        this.#say(message.told);
        break;
    }
  }

  /** What in it has, or had last, the focus; null where it is elsewhere. */
  focused: HTMLElement | SVGElement | null = null;

  /** Tells whether it shows the drawing that the kernel has put into the page since. */
  isOf(svg: SVGElement): boolean {
    return svg.dataset.mlpipeDrawing === this.#shown.picture.svg.dataset.mlpipeDrawing;
  }

  /** What goes on where the kernel has drawn other steps. */
  get kept(): Kept {
    const isOnButton = this.focused instanceof HTMLButtonElement;
    return { tab: this.#tabs.chosen, current: this.#shown.current, opened: this.#panel.step, isOnButton };
  }

  goOn({ tab, opened }: Kept): void {
    this.#tabs.show(tab);
    if (opened !== null) {
      this.#open(opened, false);
    }
  }

  /** Puts the focus where it was: on a step or the group that it is folded in, on a group or the first of its steps. */
  focus({ current, isOnButton }: Kept): void {
    if (isOnButton) {
      this.#foldButton.focus();
      return;
    }
    const nodes = [...this.#shown.picture.nodes.keys()];
    const unfolded = nodes.find(name => `${this.#state.steps[name]?.group}/` === current);
    this.#shown.goNear(nodes.includes(current) ? current : (unfolded ?? current));
  }

  /** Leaves the picture as it is: nobody keeps it up to date any more. */
  dispose(): void {
    this.#shown.dispose();
    this.#timeline.dispose();
    this.#news.dispose();
    this.#close();
    this.#tabs.show('Graph');
    this.node.classList.add('mlp-ended');
  }

  #choose(name: string): void {
    this.#shown.node.parentElement?.toggleAttribute('hidden', name !== 'Graph');
    this.#timeline.show(name === 'Timeline');
    this.#history.hidden = name !== 'Runs';
    for (const tool of this.#graphTools) {
      tool.classList.toggle('mlp-away', name !== 'Graph');
    }
    this.#shown.hideTip();
    if (name === 'Runs') {
      this.#close();
      this.ask({ graph: this.graph, do: 'runs' });
    }
  }

  /** The table again, instead of what is shown of one or two of them. */
  #showRuns(): void {
    this.#instead.close();
    this.#runs.node.hidden = false;
    this.#runs.node.querySelector<HTMLElement>('.mlp-button:not(:disabled)')?.focus();
  }

  #update(state: GraphState, steps: string[]): void {
    for (const name of steps) {
      const before = this.#state.steps[name];
      const after = state.steps[name];
      if (before && after && before.status !== after.status) {
        this.#news.add(name, `${name} ${after.text}`);
      }
      this.#pending.add(name);
    }
    const open = this.#panel.step;
    const known = open === null ? undefined : this.#state.steps[open];
    const hasEnded = this.#state.run.status === 'running' && state.run.status !== 'running';
    this.#state = state;
    if (hasEnded) {
      this.#say('');
      this.#news.add('', `run ${state.run.text}`);
      if (this.#tabs.chosen === 'Runs') {
        this.ask({ graph: this.graph, do: 'runs' });
      }
    }
    if (open !== null && steps.includes(open)) {
      this.#panel.paint(state.steps[open]);
      if (known && known.status !== state.steps[open]?.status) {
        this.ask({ graph: this.graph, do: 'step', step: open });
      }
    }
    // What comes between two frames is drawn at once.
    this.#frame ||= requestAnimationFrame(() => this.#paint());
  }

  #paint(): void {
    this.#frame = 0;
    this.#shown.paint(this.#state, this.#pending);
    this.#pending.clear();
    this.#timeline.paint(this.#state);
    this.#paintRun();
  }

  #paintRun(): void {
    const { status } = this.#state.run;
    paintRun(this.#runText, this.#state.run);
    this.#stopButton.disabled = status !== 'running';
    this.#runButton.disabled = status === 'running';
    const { stale } = this.#state;
    this.#staleButton.hidden = stale === '' || status === 'running';
    this.#staleButton.textContent = stale.charAt(0).toUpperCase() + stale.slice(1);
    const groups = this.#groups();
    this.#foldButton.hidden = groups.size === 0;
    this.#foldButton.textContent = this.#folded().size === groups.size ? 'Unfold' : 'Fold';
  }

  #say(text: string): void {
    if (this.#waits !== null) {
      clearTimeout(this.#waits);
      this.#waits = null;
    }
    this.#said.textContent = text;
    this.#said.title = text;
    if (text) {
      this.#news.add('said', text);
    }
  }

  #run(how: RunHow, step?: string): void {
    this.ask({ graph: this.graph, do: 'run', how, ...(step === undefined ? {} : { step }) });
    // Only a free kernel hears it, and answers at once.
    this.#waits ??= setTimeout(() => this.#say('Starts when the kernel is free'), WAITS_MS);
  }

  // -- groups -----------------------------------------------------------------------------------

  #groups(): Set<string> {
    return new Set(Object.values(this.#state.steps).flatMap(({ group }) => (group ? [group] : [])));
  }

  #folded(): Set<string> {
    return new Set([...this.#shown.picture.nodes.values()].flatMap(({ folds }) => (folds === null ? [] : [folds])));
  }

  #fold(group: string, isFolded: boolean): void {
    const folded = this.#folded();
    if (isFolded) {
      folded.add(group);
    } else {
      folded.delete(group);
    }
    this.ask({ graph: this.graph, do: 'fold', groups: [...folded] });
  }

  #foldAll(): void {
    const groups = this.#groups();
    this.ask({ graph: this.graph, do: 'fold', groups: this.#folded().size === groups.size ? [] : [...groups] });
  }

  // -- one step ---------------------------------------------------------------------------------

  #open(name: string, isToFocus = true): void {
    this.#panel.open(name, this.#state.steps[name]);
    this.node.classList.add('mlp-opened');
    this.#shown.setOpened(name);
    if (isToFocus) {
      this.#panel.node.focus(QUIETLY);
    }
    this.ask({ graph: this.graph, do: 'step', step: name });
  }

  #close(): void {
    const name = this.#panel.step;
    if (name === null) {
      return;
    }
    this.#panel.close();
    this.node.classList.remove('mlp-opened');
    this.#shown.setOpened(null);
    if (this.#tabs.chosen !== 'Timeline' || !this.#timeline.go(name)) {
      this.#shown.goNear(name);
    }
    this.ask({ graph: this.graph, do: 'close' });
  }

  // -- keyboard ---------------------------------------------------------------------------------

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    // JupyterLab takes plain keys for the notebook, wherever the focus is in it.
    event.stopPropagation();
    if (event.target instanceof HTMLInputElement) {
      return;
    }
    if (event.key === 'Escape') {
      if (this.#runs.node.hidden) {
        this.#showRuns();
      }
      this.#close();
      this.#shown.hideTip();
    } else if (event.key === '/' && this.#tabs.chosen === 'Graph') {
      this.#finder.node.focus();
    } else if (!this.#shown.key(event) && !this.#timeline.key(event) && !this.#instead.key(event)) {
      return;
    }
    event.preventDefault();
  }
}
