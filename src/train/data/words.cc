#include "train/data/words.h"

namespace fathom::train {
namespace {

constexpr std::string_view kEnglishWords[] = {
    "apple", "bird",  "boat",   "book",  "box",   "bread", "bus",   "cake",  "car",   "cat",
    "chair", "city",  "clock",  "cloud", "coat",  "cow",   "cup",   "desk",  "dog",   "door",
    "duck",  "egg",   "farm",   "field", "fire",  "fish",  "flag",  "fly",   "food",  "fox",
    "frog",  "game",  "gate",   "glass", "gold",  "grass", "hand",  "hat",   "hill",  "horse",
    "house", "ice",   "island", "key",   "king",  "lake",  "lamp",  "leaf",  "lion",  "map",
    "milk",  "moon",  "mouse",  "music", "night", "ocean", "paper", "park",  "pen",   "pig",
    "plant", "queen", "rain",   "ring",  "river", "road",  "rock",  "room",  "rose",  "salt",
    "sea",   "sheep", "ship",   "shoe",  "snow",  "song",  "spoon", "star",  "stone", "sugar",
    "sun",   "table", "tea",    "tiger", "town",  "train", "tree",  "water", "wind",  "wolf"};

constexpr std::string_view kChineseWords[] = {
    "猫", "狗", "鸟", "鱼", "马", "牛", "羊", "虎", "花", "草", "树", "山", "水", "火",
    "风", "雨", "雪", "云", "月", "星", "书", "笔", "门", "窗", "车", "船", "路", "桥",
    "米", "茶", "酒", "盐", "糖", "春", "夏", "秋", "冬", "红", "绿", "金"};

constexpr std::string_view kEnglishNames[] = {
    "Adam",   "Alice",  "Amy",    "Andrew",  "Anna",    "Arthur", "Ben",    "Betty",   "Bill",
    "Bob",    "Brian",  "Carl",   "Carol",   "Charles", "Chris",  "Clara",  "Daniel",  "David",
    "Diana",  "Dora",   "Edward", "Ella",    "Emily",   "Emma",   "Eric",   "Eva",     "Frank",
    "Fred",   "George", "Grace",  "Harry",   "Helen",   "Henry",  "Hugo",   "Ida",     "Irene",
    "Jack",   "James",  "Jane",   "John",    "Julia",   "Karen",  "Kate",   "Kevin",   "Laura",
    "Leo",    "Lily",   "Linda",  "Lisa",    "Louis",   "Lucy",   "Luke",   "Maria",   "Mark",
    "Martin", "Mary",   "Max",    "Michael", "Mike",    "Nancy",  "Nina",   "Noah",    "Nora",
    "Oliver", "Oscar",  "Paul",   "Peter",   "Philip",  "Rachel", "Ralph",  "Rita",    "Robert",
    "Roger",  "Rosa",   "Ruth",   "Sam",     "Sarah",   "Simon",  "Sophie", "Susan",   "Thomas",
    "Tim",    "Tina",   "Tom",    "Vera",    "Victor",  "Walter", "Wendy",  "William", "Zoe"};

constexpr std::string_view kChineseNames[] = {
    "小明", "小红", "小华", "小丽", "小强", "小芳", "小军", "小英", "小刚", "小梅", "小东", "小林",
    "小玉", "小龙", "小天", "小云", "小雪", "小山", "小海", "小江", "小春", "小秋", "小金", "小文",
    "老王", "老李", "老张", "老刘", "老陈", "老赵", "老周", "老吴", "老孙", "老马", "老林", "老高"};

constexpr std::string_view kColors[] = {"red",   "blue",   "green", "yellow", "black", "white",
                                        "brown", "orange", "pink",  "purple", "gray",  "silver"};

constexpr Country kCountries[] = {
    {"Argentina", "阿根廷", "Buenos Aires", "布宜诺斯艾利斯", "Argentine peso", "阿根廷比索"},
    {"Australia", "澳大利亚", "Canberra", "堪培拉", "Australian dollar", "澳大利亚元"},
    {"Austria", "奥地利", "Vienna", "维也纳", "euro", "欧元"},
    {"Belgium", "比利时", "Brussels", "布鲁塞尔", "euro", "欧元"},
    {"Brazil", "巴西", "Brasília", "巴西利亚", "real", "雷亚尔"},
    {"Canada", "加拿大", "Ottawa", "渥太华", "Canadian dollar", "加拿大元"},
    {"Chile", "智利", "Santiago", "圣地亚哥", "Chilean peso", "智利比索"},
    {"China", "中国", "Beijing", "北京", "yuan", "人民币"},
    {"Cuba", "古巴", "Havana", "哈瓦那", "Cuban peso", "古巴比索"},
    {"Denmark", "丹麦", "Copenhagen", "哥本哈根", "Danish krone", "丹麦克朗"},
    {"Egypt", "埃及", "Cairo", "开罗", "Egyptian pound", "埃及镑"},
    {"Finland", "芬兰", "Helsinki", "赫尔辛基", "euro", "欧元"},
    {"France", "法国", "Paris", "巴黎", "euro", "欧元"},
    {"Germany", "德国", "Berlin", "柏林", "euro", "欧元"},
    {"Greece", "希腊", "Athens", "雅典", "euro", "欧元"},
    {"Hungary", "匈牙利", "Budapest", "布达佩斯", "forint", "福林"},
    {"India", "印度", "New Delhi", "新德里", "Indian rupee", "印度卢比"},
    {"Indonesia", "印度尼西亚", "Jakarta", "雅加达", "rupiah", "印尼盾"},
    {"Iran", "伊朗", "Tehran", "德黑兰", "rial", "里亚尔"},
    {"Ireland", "爱尔兰", "Dublin", "都柏林", "euro", "欧元"},
    {"Italy", "意大利", "Rome", "罗马", "euro", "欧元"},
    {"Japan", "日本", "Tokyo", "东京", "yen", "日元"},
    {"Kenya", "肯尼亚", "Nairobi", "内罗毕", "Kenyan shilling", "肯尼亚先令"},
    {"Mexico", "墨西哥", "Mexico City", "墨西哥城", "Mexican peso", "墨西哥比索"},
    {"Mongolia", "蒙古", "Ulaanbaatar", "乌兰巴托", "tugrik", "图格里克"},
    {"Morocco", "摩洛哥", "Rabat", "拉巴特", "dirham", "迪拉姆"},
    {"Nepal", "尼泊尔", "Kathmandu", "加德满都", "Nepalese rupee", "尼泊尔卢比"},
    {"Norway", "挪威", "Oslo", "奥斯陆", "Norwegian krone", "挪威克朗"},
    {"Peru", "秘鲁", "Lima", "利马", "sol", "索尔"},
    {"Poland", "波兰", "Warsaw", "华沙", "zloty", "兹罗提"},
    {"Portugal", "葡萄牙", "Lisbon", "里斯本", "euro", "欧元"},
    {"Russia", "俄罗斯", "Moscow", "莫斯科", "ruble", "卢布"},
    {"Singapore", "新加坡", "Singapore", "新加坡", "Singapore dollar", "新加坡元"},
    {"South Korea", "韩国", "Seoul", "首尔", "won", "韩元"},
    {"Spain", "西班牙", "Madrid", "马德里", "euro", "欧元"},
    {"Sweden", "瑞典", "Stockholm", "斯德哥尔摩", "Swedish krona", "瑞典克朗"},
    {"Switzerland", "瑞士", "Bern", "伯尔尼", "Swiss franc", "瑞士法郎"},
    {"Thailand", "泰国", "Bangkok", "曼谷", "baht", "泰铢"},
    {"Turkey", "土耳其", "Ankara", "安卡拉", "lira", "里拉"},
    {"Ukraine", "乌克兰", "Kyiv", "基辅", "hryvnia", "格里夫纳"},
    {"United Kingdom", "英国", "London", "伦敦", "pound", "英镑"},
    {"United States", "美国", "Washington", "华盛顿", "US dollar", "美元"},
    {"Vietnam", "越南", "Hanoi", "河内", "dong", "越南盾"}};

}  // namespace

std::span<const std::string_view> english_words() { return kEnglishWords; }
std::span<const std::string_view> chinese_words() { return kChineseWords; }
std::span<const std::string_view> english_names() { return kEnglishNames; }
std::span<const std::string_view> chinese_names() { return kChineseNames; }
std::span<const std::string_view> colors() { return kColors; }
std::span<const Country> countries() { return kCountries; }

}  // namespace fathom::train
