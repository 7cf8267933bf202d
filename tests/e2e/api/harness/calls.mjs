/** Function calls as the model writes them: callText(['get_weather', '{"city": "Paris"}'], ...). */
export function callText(...calls) {
  const one = ([name, args]) =>
    `<｜tool▁call▁begin｜>function<｜tool▁sep｜>${name}\n\`\`\`json\n${args}\n\`\`\`<｜tool▁call▁end｜>`;
  return `<｜tool▁calls▁begin｜>${calls.map(one).join('\n')}<｜tool▁calls▁end｜>`;
}

export const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};
