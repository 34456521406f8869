/** When a command on a cell makes sense. */

import type { CellFacts } from './facts';
import { consumers, producers } from './neighbours';
import { isComponent } from './tokens';

/** A cell, and what its kernel has told. */
export interface Place {
  /** Whether the kernel has our package. */
  isLive: boolean;
  steps: readonly CellFacts[];
  /** Of the cell. */
  id: string;
  isCode: boolean;
  text: string;
  /** Its step, once it has run. */
  step: CellFacts | undefined;
}

export const isKnown = ({ step }: Place): boolean => step !== undefined;

export const isAccepted = ({ step }: Place): boolean => step?.accepted === true;

export const hasProducers = ({ steps, id, text }: Place): boolean => producers(steps, id, text).length > 0;

export const hasConsumers = ({ steps, id }: Place): boolean => consumers(steps, id).length > 0;

export const isPlain = ({ isCode, text }: Place): boolean => isCode && text.trim() !== '' && !isComponent(text);

export const hasHeader = ({ text, isCode }: Place): boolean => isCode && isComponent(text);

export const isStep = (place: Place): boolean => place.isLive && (place.step !== undefined || hasHeader(place));

export const canBeLocked = (place: Place): boolean => place.isLive && hasHeader(place);

export const hasSteps = ({ steps }: Place): boolean => steps.length > 0;
