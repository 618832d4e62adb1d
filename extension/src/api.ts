/** The part of the WebExtensions API that this extension uses, as Chromium (`chrome`) and Firefox (`browser`) have it. */

import type { Notice } from './messages';

export interface HomePort {
  postMessage(message: unknown): void;
  readonly onMessage: Listeners<(message: unknown) => void>;
  readonly onDisconnect: Listeners<() => void>;
}

interface Listeners<T> {
  addListener(listener: T): void;
}

/** Answers a message later where it returns true. */
type MessageListener = (message: unknown, sender: unknown, answer: (value?: unknown) => void) => boolean | undefined;

interface Button {
  setIcon(details: { path: Record<string, string> }): Promise<void>;
  setTitle(details: { title: string }): Promise<void>;
  setBadgeText(details: { text: string }): Promise<void>;
  setBadgeBackgroundColor(details: { color: string }): Promise<void>;
}

export interface Api {
  readonly runtime: {
    connect(info: { name: string }): HomePort;
    sendMessage(message: unknown): Promise<unknown>;
    reload(): void;
    openOptionsPage(): Promise<void>;
    /** Chromium's alone. */
    getContexts?(filter: { contextTypes: string[] }): Promise<unknown[]>;
    /** The error of the last call, which browsers want to be looked at. */
    readonly lastError?: unknown;
    readonly onConnect: Listeners<(port: HomePort) => void>;
    readonly onMessage: Listeners<MessageListener>;
    readonly onStartup: Listeners<() => void>;
    readonly onInstalled: Listeners<() => void>;
    readonly onUpdateAvailable: Listeners<() => void>;
  };
  readonly i18n: { getMessage(name: string, parts?: string[]): string };
  /** Chromium's alone, and not in the offscreen document. */
  readonly offscreen?: {
    createDocument(details: { url: string; reasons: string[]; justification: string }): Promise<void>;
    closeDocument(): Promise<void>;
  };
  readonly action?: Button;
  readonly browserAction?: Button;
}

const { browser, chrome } = globalThis as { browser?: Api; chrome?: Api };

export const api = (browser ?? chrome) as Api;

/** Tell the extension's other pages, and wait for an answer where one gives it. Resolves also where nobody listens. */
export const say = (notice: Notice): Promise<unknown> => api.runtime.sendMessage(notice).catch(() => {});
