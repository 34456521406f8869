/** Our lines in the editors of notebooks: their colours, what the kernel says of them. */

import type { Cell } from '@jupyterlab/cells';
import type { CodeEditor } from '@jupyterlab/codeeditor';
import { CodeMirrorEditor, EditorExtensionRegistry, type IEditorExtensionRegistry } from '@jupyterlab/codemirror';
import { NotebookActions } from '@jupyterlab/notebook';
import { type Check, toCheck } from './check';
import { checkAgain, checked } from './checked';
import style from './magic.css';
import type { CellFacts } from './facts';
import { colours } from './magicline';
import type { Pipeline, Pipelines } from './pipeline';
import { addStyle } from './style';
import { changedNames, touches } from './touched';

const SETTLE_MS = 300;

interface Place {
  pipeline: Pipeline;
  cell: Cell;
}

export function activateMagic(pipelines: Pipelines, extensions: IEditorExtensionRegistry): void {
  addStyle('mlpipe-magic-style', style);

  const placeOf = (model: CodeEditor.IModel): Place | null => {
    for (const pipeline of pipelines.all) {
      const cell = pipeline.panel.content.widgets.find(widget => widget.model === model);
      if (cell) {
        return { pipeline, cell };
      }
    }
    return null;
  };

  const ask = async (model: CodeEditor.IModel, text: string): Promise<Check | null> => {
    const place = placeOf(model);
    if (!place?.pipeline.isLive) {
      return null;
    }
    const { pipeline, cell } = place;
    const answer = await pipeline.ask({ do: 'check', cell: cell.model.id, text });
    const has = (id: string): boolean => pipeline.panel.content.widgets.some(widget => widget.model.id === id);
    const check = toCheck(answer, text.length, has);
    pipeline.setEdited(cell.model.id, check.edited);
    return check;
  };

  extensions.addExtension({
    name: 'jupyter-mlpipe',
    factory: ({ model }) =>
      // Of cells of code only: words and files of Python have none of our lines.
      'type' in model && model.type === 'code'
        ? EditorExtensionRegistry.createImmutableExtension([colours, checked(text => ask(model, text))])
        : EditorExtensionRegistry.createImmutableExtension([])
  });

  pipelines.each(pipeline => watch(pipeline));
}

/** Asks again about cells once what is around them has changed. */
function watch(pipeline: Pipeline): void {
  let isLive = false;
  let steps: readonly CellFacts[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isAll = false;
  const names = new Set<string>();
  const later = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      for (const cell of pipeline.panel.content.widgets) {
        if (cell.editor instanceof CodeMirrorEditor) {
          const isEdited = pipeline.edited.has(cell.model.id);
          checkAgain(cell.editor.editor, text => isAll || isEdited || touches(text, names));
        }
      }
      isAll = false;
      names.clear();
    }, SETTLE_MS);
  };
  pipeline.changed.connect(() => {
    const changed = changedNames(steps, pipeline.state.steps);
    changed.forEach(name => names.add(name));
    isAll ||= pipeline.isLive !== isLive;
    ({ isLive } = pipeline);
    ({ steps } = pipeline.state);
    if (isAll || changed.size > 0 || pipeline.edited.size > 0) {
      later();
    }
  });
  const executed = (_: unknown, { notebook }: { notebook: unknown }): void => {
    if (notebook === pipeline.panel.content) {
      later();
    }
  };
  NotebookActions.executed.connect(executed);
  pipeline.panel.disposed.connect(() => {
    clearTimeout(timer);
    NotebookActions.executed.disconnect(executed);
  });
}
