// The star as the contract's exports.
import { message } from 'totesys:star/log@0.2.0';
import { Batch, describe } from './star.js';

/** A thrown text is the contract's `err`; a thrown Error would be a trap. */
function answer(call) {
  try {
    return call();
  } catch (problem) {
    throw String(problem?.message ?? problem);
  }
}

class Transformer {
  #batch = new Batch(message);

  push(table, stream) {
    return answer(() => this.#batch.push(table, stream));
  }

  finish() {
    return answer(() => this.#batch.finish());
  }
}

export const transform = { describe, Transformer };
