/** What the visitor chose for this extension beside the switch's own settings, in the extension's own localStorage. */

/** The network's invite that the build put in; empty where the operator left it to the visitor. */
declare const __NETWORK__: string;

const NETWORK = 'passerelle-network';
const START = 'passerelle-start';
const RESUME = 'passerelle-resume';

/** Return the invite of the visitor's network. */
export const network = (): string => localStorage.getItem(NETWORK) ?? __NETWORK__;

/** Choose another network; an empty text chooses the one that the extension came with. */
export function chooseNetwork(invite: string): void {
  if (invite) localStorage.setItem(NETWORK, invite);
  else localStorage.removeItem(NETWORK);
}

/** Whether a change of the storage is one of the network. Forgetting everything is one too. */
export const isNetworkChange = ({ key }: StorageEvent): boolean => key === NETWORK || key === null;

/** Return whether the switch is to be on as soon as the browser runs. */
export const starts = (): boolean => localStorage.getItem(START) === network() && network() !== '';

export function setStarts(does: boolean): void {
  if (does) localStorage.setItem(START, network());
  else localStorage.removeItem(START);
}

/** Remember over an update that the switch is on. */
export const keepOn = (): void => localStorage.setItem(RESUME, network());

/** Return whether the switch was on before the update that has just ended, and forget it. */
export function wasOn(): boolean {
  const before = localStorage.getItem(RESUME);
  localStorage.removeItem(RESUME);
  return before !== null && before === network();
}

/** Forget what the visitor chose, but not the network: it is a setting, and says nothing of what was done. */
export function forget(): void {
  localStorage.removeItem(START);
  localStorage.removeItem(RESUME);
}
