// Answers that the screenshots and the rendering tests show.

export const kRichAnswer = `The quadratic **factors**, so no formula is needed.

## Step by step

1. Find two numbers whose product is $6$ and whose sum is $-5$: they are $-2$ and $-3$.
2. Rewrite the equation:

$$x^2 - 5x + 6 = (x - 2)(x - 3) = 0$$

3. A product is zero when a factor is, so $x = 2$ or $x = 3$.

| method | steps | works when |
|:--|--:|:--|
| factoring | 3 | the roots are whole numbers |
| completing the square | 5 | always |
| formula | 2 | always |

The same in Python, with \`math.sqrt\`:

\`\`\`python
import math

def roots(a: float, b: float, c: float) -> tuple[float, float]:
    """Both real roots of ax² + bx + c, the smaller first."""
    d = b * b - 4 * a * c
    if d < 0:
        raise ValueError("no real roots")
    s = math.sqrt(d)
    return (-b - s) / (2 * a), (-b + s) / (2 * a)

print(roots(1, -5, 6))  # (2.0, 3.0)
\`\`\`

> A check: $2^2 - 5 \\cdot 2 + 6 = 0$ and $3^2 - 5 \\cdot 3 + 6 = 0$.
`;

export const kRichAnswerZh = `这个二次式可以**因式分解**，不需要求根公式。

## 解题步骤

1. 找两个数，积为 $6$，和为 $-5$：它们是 $-2$ 和 $-3$。
2. 改写方程：

$$x^2 - 5x + 6 = (x - 2)(x - 3) = 0$$

3. 积为零，则必有一个因式为零，所以 $x = 2$ 或 $x = 3$。

| 方法 | 步数 | 适用条件 |
|:--|--:|:--|
| 因式分解 | 3 | 根为整数 |
| 配方法 | 5 | 总是适用 |
| 求根公式 | 2 | 总是适用 |

用 Python 计算，要用到 \`math.sqrt\`：

\`\`\`python
import math

def roots(a: float, b: float, c: float) -> tuple[float, float]:
    """ax² + bx + c 的两个实根，较小的在前。"""
    d = b * b - 4 * a * c
    if d < 0:
        raise ValueError("没有实根")
    s = math.sqrt(d)
    return (-b - s) / (2 * a), (-b + s) / (2 * a)

print(roots(1, -5, 6))  # (2.0, 3.0)
\`\`\`

> 验算：$2^2 - 5 \\cdot 2 + 6 = 0$，$3^2 - 5 \\cdot 3 + 6 = 0$。
`;

const kDayMs = 24 * 3600 * 1000;

/** A file such as the page exports: one conversation of one question and answer for each entry. */
export function conversationFile(...entries) {
  const conversations = entries.map(
    ({ title, daysAgo = 0, question = 'Q', answer = 'A' }, index) => {
      const at = Date.now() - daysAgo * kDayMs - index;
      const message = (id, parentId, role, content) => ({
        id,
        parentId,
        role,
        content,
        createdAt: at,
        state: 'done',
        conversationId: title,
      });
      return {
        id: title,
        title,
        createdAt: at,
        updatedAt: at,
        params: { system: '', stop: [], json: false, tools: '', toolChoice: 'auto' },
        choices: {},
        messages: [
          message(`${title}q`, null, 'user', question),
          message(`${title}a`, `${title}q`, 'assistant', answer),
        ],
      };
    },
  );
  return JSON.stringify({ format: 'fathom-conversations', version: 1, conversations });
}

/** Cut into pieces of a few characters, as a model sends them. */
export function inPieces(text, size = 4) {
  const pieces = [];
  const all = [...text];
  for (let i = 0; i < all.length; i += size) pieces.push(all.slice(i, i + size).join(''));
  return pieces;
}
