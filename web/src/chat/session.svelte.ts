// The conversation that is open: its messages, the branch on show, and what can be done with it.
import { SvelteMap } from 'svelte/reactivity';
import { attempt } from '../data/attempt';
import {
  db,
  extendConversation,
  loadMessages,
  settled,
  storeConversation,
  whileWriting,
  written,
} from '../data/db';
import { refreshBalance, server } from '../data/server.svelte';
import type { AttachedFile, Conversation, Message, Params } from '../data/types';
import { buildRequest } from './request';
import { Run } from './run.svelte';
import { shownPath, versionsOf } from './tree';

/** Answers being written, by conversation: they go on while another conversation is open. */
export const runs: Record<string, Run> = $state({});
/** The sessions that ask or answer, by conversation: from the request's first step to the last. */
export const answering = new SvelteMap<string, Session>();

export class Session {
  conversation: Conversation = $state()!;
  private messages = $state.raw<Message[]>([]);
  readonly path = $derived(shownPath(this.messages, this.conversation.choices));
  /** Whether something is asked or answered, here or in another tab, so that nothing else can be. */
  readonly busy = $derived(
    answering.has(this.id) || this.messages.some((m) => m.state === 'streaming'),
  );
  /** Whether all of it is in the database; if not, the next save stores all. */
  private stored: boolean;

  constructor(conversation: Conversation, messages: Message[] | undefined) {
    this.conversation = conversation;
    this.stored = messages !== undefined;
    this.messages = messages ?? [];
  }

  static fresh(params: Params): Session {
    const now = Date.now();
    return new Session(
      { id: crypto.randomUUID(), title: '', createdAt: now, updatedAt: now, params, choices: {} },
      undefined,
    );
  }

  static async open(id: string): Promise<Session | undefined> {
    const live = answering.get(id);
    if (live) return live;
    const conversation = await db.conversations.get(id);
    if (!conversation || conversation.deletedAt) return undefined;
    const messages = await Promise.all((await loadMessages(id)).map(settled));
    const session = new Session(conversation, messages);
    for (const message of messages) {
      if (message.state === 'streaming') void attempt(() => session.awaitOtherTab(message));
    }
    return session;
  }

  get id(): string {
    return this.conversation.id;
  }

  get run(): Run | undefined {
    return runs[this.id];
  }

  isWrittenElsewhere(message: Message): boolean {
    return message.state === 'streaming' && !answering.has(this.id);
  }

  get empty(): boolean {
    return this.messages.length === 0;
  }

  versions(message: Message): Message[] {
    return versionsOf(this.messages, message);
  }

  async ask(content: string, files: AttachedFile[]): Promise<void> {
    await this.alone(() => this.askAfter(this.path.at(-1)?.id ?? null, content, files));
  }

  /** Asks `content` in place of `message`, on a branch of its own. */
  async edit(message: Message, content: string): Promise<void> {
    await this.alone(() => this.askAfter(message.parentId, content, message.files ?? []));
  }

  private async askAfter(parentId: string | null, content: string, files: AttachedFile[]) {
    const titled = this.conversation.title ? {} : { title: titleOf(content, files) };
    Object.assign(this.conversation, titled);
    const question = this.newMessage('user', parentId, content);
    if (files.length > 0) question.files = files.map((file) => ({ ...file }));
    await this.add([question], titled);
    await this.answer(question.id);
  }

  /** Another answer beside `message`. */
  async regenerate(message: Message): Promise<void> {
    await this.alone(() => this.answer(message.parentId!));
  }

  /** In place of an answer that failed: nothing of it is worth keeping if it has no text. */
  async retry(message: Message): Promise<void> {
    if (message.content || message.toolCalls) return this.regenerate(message);
    await this.alone(async () => {
      await attempt(() => db.messages.delete(message.id));
      this.messages = this.messages.filter((m) => m !== message);
      await this.answer(message.parentId!);
    });
  }

  /** Goes on from where an answer ended. */
  async continue(message: Message): Promise<void> {
    await this.alone(async () => {
      const open: Message = { ...message, state: 'streaming', error: undefined };
      this.replace(message, open);
      void attempt(() => db.messages.update(open.id, { state: open.state }));
      await whileWriting(open.id, () => this.follow(open, true));
    });
  }

  /** Gives the model what its calls returned: `results` in the order of the calls. */
  async giveResults(message: Message, results: string[]): Promise<void> {
    await this.alone(() => this.answerResults(message, results));
  }

  private async answerResults(message: Message, results: string[]): Promise<void> {
    let parentId = message.id;
    const added = results.map((content, index) => {
      const result = this.newMessage('tool', parentId, content);
      result.createdAt += index;
      result.toolCallId = message.toolCalls![index]!.id;
      parentId = result.id;
      return result;
    });
    await this.add(added);
    await this.answer(parentId);
  }

  /** Shows the version before (-1) or after (+1) of a message. */
  async showVersion(message: Message, step: number): Promise<void> {
    const versions = this.versions(message);
    const next = versions[versions.indexOf(message) + step];
    if (!next) return;
    this.conversation.choices[message.parentId ?? ''] = next.id;
    await this.save({ choices: $state.snapshot(this.conversation.choices) });
  }

  stop(): void {
    this.run?.stop();
  }

  async saveParams(): Promise<void> {
    await this.save({ params: $state.snapshot(this.conversation.params) });
  }

  /** Stores what changed, not all: another tab may have changed the rest, or removed the whole. */
  private async save(changed: Partial<Conversation>, added: Message[] = []): Promise<void> {
    if (this.empty && !this.stored) return; // A new one is stored with its first message.
    const saved = await attempt(async () => {
      if (this.stored && (await extendConversation(this.id, changed, added))) return true;
      await storeConversation($state.snapshot(this.conversation), this.messages);
      return (this.stored = true);
    });
    if (!saved) this.stored = false;
  }

  /** Shows what becomes of an answer that another tab is writing. */
  private async awaitOtherTab(message: Message): Promise<void> {
    await written(message.id);
    this.replace(message, await settled(message));
  }

  /** Does `act` unless another is under way: each answer is paid for, and one at a time is shown. */
  private async alone(act: () => Promise<void>): Promise<void> {
    if (this.busy) return;
    answering.set(this.id, this);
    try {
      await act();
    } finally {
      answering.delete(this.id);
    }
  }

  private async answer(parentId: string): Promise<void> {
    const message = this.newMessage('assistant', parentId, '');
    message.state = 'streaming';
    if (this.conversation.params.json) message.json = true;
    await whileWriting(message.id, async () => {
      await this.add([message]);
      await this.follow(message, false);
    });
  }

  private async follow(message: Message, continues: boolean): Promise<void> {
    const end = this.path.indexOf(message);
    const asked = this.path.slice(0, continues ? end + 1 : end);
    const params = $state.snapshot(this.conversation.params);
    const request = buildRequest(server.info.model, asked, params, continues);
    const run = new Run(message);
    runs[this.id] = run;
    try {
      if (!(await run.follow(request))) this.stored = false;
    } finally {
      delete runs[this.id];
    }
    // A new object, so that what shows the message sees that it changed.
    this.replace(message, { ...message });
    if (server.balances) void refreshBalance();
  }

  private newMessage(role: Message['role'], parentId: string | null, content: string): Message {
    return {
      id: crypto.randomUUID(),
      conversationId: this.id,
      parentId,
      role,
      content,
      createdAt: Math.max(Date.now(), (this.messages.at(-1)?.createdAt ?? 0) + 1),
      state: 'done',
    };
  }

  /** Adds messages, each the child of the one before, and puts them on show. */
  private async add(added: Message[], changed: Partial<Conversation> = {}): Promise<void> {
    for (const message of added) this.conversation.choices[message.parentId ?? ''] = message.id;
    this.messages = [...this.messages, ...added];
    this.conversation.updatedAt = Date.now();
    const { choices, updatedAt } = $state.snapshot(this.conversation);
    // A conversation that another tab has deleted comes back by being used.
    await this.save({ ...changed, choices, updatedAt, deletedAt: undefined }, added);
  }

  private replace(old: Message, fresh: Message): void {
    this.messages = this.messages.map((m) => (m.id === old.id ? fresh : m));
  }
}

function titleOf(content: string, files: AttachedFile[]): string {
  const line = content.trim().split('\n', 1)[0] || files[0]?.name || '';
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}
