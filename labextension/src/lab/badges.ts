/** Keeps a badge on each cell of one notebook panel that has a step, and greys cells whose result is stale. */

import type { Cell } from '@jupyterlab/cells';
import { News } from '../news';
import { Badge } from './badge';
import type { CellFacts } from './facts';
import type { Pipeline, Pipelines } from './pipeline';
import { placeBelowInput } from './placing';

type Open = (pipeline: Pipeline, step: string, opener: HTMLElement) => void;

export function activateBadges(pipelines: Pipelines, open: Open): void {
  pipelines.each(pipeline => new Badges(pipeline, (step, opener) => open(pipeline, step, opener)));
}

class Badges {
  private readonly badges = new Map<Cell, Badge>();
  private readonly news = new News();
  private readonly said = new Map<string, string>();

  constructor(
    private readonly pipeline: Pipeline,
    private readonly open: (step: string, opener: HTMLElement) => void
  ) {
    pipeline.panel.node.append(this.news.node);
    pipeline.panel.disposed.connect(() => this.news.dispose());
    pipeline.changed.connect(() => this.update());
    this.update();
  }

  private update(): void {
    const { content } = this.pipeline.panel;
    for (const cell of content.widgets) {
      const { id, type } = cell.model;
      const facts = type === 'code' ? this.pipeline.steps.get(id) : undefined; // one of words may have been a step
      const badge = this.badges.get(cell);
      if (facts && badge && !badge.isDisposed) {
        badge.paint(facts, this.pipeline.edited.get(id));
      } else if (facts) {
        this.add(cell, facts);
      } else if (badge) {
        badge.dispose();
        this.badges.delete(cell);
      }
      cell.toggleClass('mlp-badged', facts !== undefined);
      cell.toggleClass('mlp-stale', facts?.stale === true && facts.plan === 'run');
      cell.toggleClass('mlp-maybe-stale', facts?.stale === true && facts.plan !== 'run');
      if (facts) {
        this.say(facts);
      }
    }
    for (const [cell, badge] of this.badges) {
      if (cell.isDisposed) {
        badge.dispose();
        this.badges.delete(cell);
      }
    }
  }

  private add(cell: Cell, facts: CellFacts): void {
    const badge = new Badge(this.open);
    badge.paint(facts, this.pipeline.edited.get(cell.model.id));
    this.badges.set(cell, badge);
    placeBelowInput(cell, badge);
  }

  /** Tells who does not see it how steps go on: by each change, not by each second. */
  private say({ name, status, text, stale }: CellFacts): void {
    const word = `${status} ${stale}`;
    const before = this.said.get(name);
    this.said.set(name, word);
    if (before !== undefined && before !== word) {
      this.news.add(name, `${name} ${text}`);
    }
  }
}
