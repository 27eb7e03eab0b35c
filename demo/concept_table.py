"""The glyphs that the demo model knows, by kind, one per line.

A line is ``glyph``, ``glyph English names`` or ``glyph English names | Chinese names``, with the
names separated by commas. The names of the ``emoji`` package are always appended.
"""

TABLE: dict[str, str] = {
    "animal": """
🐕 dog, puppy | 狗, 小狗
🐈 cat, kitty | 猫, 小猫, 猫咪
🐎 horse | 马
🐄 cow | 奶牛, 牛
🐖 pig | 猪
🐑 sheep | 绵羊, 羊
🐐
🐪 camel | 骆驼
🦙 llama | 羊驼
🦒
🐘 elephant | 大象, 象
🦏 rhinoceros, rhino | 犀牛
🦛 hippopotamus, hippo | 河马
🐁 mouse | 老鼠, 鼠
🐇 rabbit, bunny | 兔子
🐿️ squirrel | 松鼠
🦔
🦇
🐻
🐨
🐼
🦥
🦨
🦘
🦃 turkey | 火鸡
🐓 rooster | 公鸡
🐔 chicken | 鸡, 母鸡
🐥 chick | 小鸡
🐦
🐧
🕊️ dove, pigeon | 鸽子
🦅 eagle | 老鹰
🦆 duck | 鸭子
🦢
🦉
🦩
🦚
🦜
🐸
🐊 crocodile, alligator | 鳄鱼
🐢 turtle, tortoise | 乌龟
🦎
🐍
🐉 dragon | 龙
🦕 dinosaur | 恐龙
🦖 t-rex | 霸王龙
🐳 whale | 鲸鱼
🐬
🦭
🐟 fish | 鱼
🐠 tropical fish | 热带鱼
🐡 pufferfish | 河豚
🦈
🐙
🐚 shell, seashell | 海螺, 贝壳
🐌
🦋
🐛 caterpillar | 毛毛虫
🐜
🐝 bee | 蜜蜂
🐞 ladybug | 瓢虫
🕷️ spider | 蜘蛛
🦂
🦀 crab | 螃蟹
🦞
🦐
🐺
🦊
🦝
🦁
🐯 tiger | 老虎
🐆 leopard | 豹子, 豹
🦓
🦍 gorilla | 大猩猩
🐒 monkey | 猴子
🦄
🐹
🦌
""",
    "plant": """
💐
🌸 cherry blossom | 樱花
🌹
🌺
🌻
🌷
🌱 seedling, sprout | 幼苗, 嫩芽
🪴 potted plant | 盆栽
🌴
🌵
🍀 clover, four leaf clover | 四叶草
🍁
🍄
""",
    "food": """
🍇 grapes | 葡萄
🍉
🍊 orange, tangerine | 橙子, 橘子
🍋
🍌
🍍 pineapple | 菠萝
🍎 apple | 苹果, 红苹果
🍐
🍑 peach | 桃子
🍒
🍓
🫐
🥝 kiwi | 猕猴桃
🥥
🥑 avocado | 牛油果, 鳄梨
🍆 eggplant | 茄子
🥔
🥕
🌽 corn | 玉米
🌶️ chili, hot pepper | 辣椒, 红辣椒
🫑 bell pepper | 青椒, 灯笼椒
🥒
🥦
🧄 garlic | 大蒜
🧅
🥜
🍞 bread | 面包
🥐 croissant | 牛角面包, 羊角面包
🥖 baguette | 法棍
🥨 pretzel | 椒盐卷饼
🥞 pancakes | 薄煎饼
🧇
🧀 cheese | 奶酪, 芝士
🍖 meat on the bone, meat | 肉, 排骨
🍗 chicken leg, drumstick | 鸡腿
🥩 steak | 牛排
🥓
🍔 hamburger, burger | 汉堡包, 汉堡
🍟 french fries, fries | 薯条
🍕 pizza | 披萨
🌭
🥪
🌮
🥚 egg | 鸡蛋
🍳 fried egg | 煎蛋
🥗 salad | 沙拉
🍿
🍙
🍚 rice | 米饭
🍜 noodles, ramen | 面条
🍝 spaghetti, pasta | 意大利面, 意面
🍣
🍦 ice cream | 冰淇淋
🍧 shaved ice | 刨冰
🍩 donut, doughnut | 甜甜圈
🍪 cookie | 饼干
🎂 birthday cake | 生日蛋糕
🍰 cake, slice of cake | 蛋糕
🧁
🥧 pie | 馅饼
🍫 chocolate | 巧克力
🍬 candy | 糖果
🍭 lollipop | 棒棒糖
🍯 honey | 蜂蜜
🍼
🥛 milk, glass of milk | 牛奶
☕ coffee | 咖啡
🫖
🍵 tea, green tea | 茶, 绿茶
🍾 champagne | 香槟
🍷 wine, glass of wine | 葡萄酒, 红酒
🍸 cocktail | 鸡尾酒
🍹 tropical drink | 热带饮料
🍺 beer | 啤酒
🥤 soda, soft drink | 汽水
🧋
""",
    "place": """
🌍 earth, globe | 地球
⛰️ mountain | 山
🌋
🏠 house | 房子
🏰 castle | 城堡
🗼 tower | 铁塔, 塔
🗽 statue of liberty | 自由女神
⛪
🕌
⛩️ shrine | 神社
⛲
⛺
🎠 carousel | 旋转木马
🎡
🎪 circus, circus tent | 马戏团
🌈
☁️ cloud | 云, 云朵
⚡ lightning | 闪电
🔥 fire, flame | 火, 火焰
💧 drop of water, droplet | 水滴
⭐ star | 星星
🌙 moon, crescent moon | 月亮
🪐 planet | 行星
🌪️ tornado | 龙卷风
⛄ snowman | 雪人
""",
    "vehicle": """
🚂 steam train, locomotive | 蒸汽火车
🚄 high-speed train, fast train | 高铁
🚌 bus | 公共汽车, 公交车
🚑
🚒 fire truck, fire engine | 消防车
🚓
🚕
🚗 car | 汽车
🚚 truck | 卡车
🚜
🏎️ racing car, race car | 赛车
🏍️
🛵 scooter, motor scooter | 踏板车
🚲 bicycle, bike | 自行车
🛴 kick scooter | 滑板车
⛵ sailboat, sailing boat | 帆船
🛶
🚤 speedboat | 快艇
🚢 ship | 轮船, 船
✈️ airplane, plane | 飞机
🚁
🚀 rocket | 火箭
🛸 ufo, flying saucer | 飞碟
""",
    "object": """
🚦 traffic light | 红绿灯
🛑
⛽ gas pump, petrol pump | 加油机
⚓
🪂
🛰️
🎃 jack-o-lantern, pumpkin | 南瓜灯, 南瓜
🎄
🎈
🎉 party popper | 礼花
🎁 gift, present | 礼物
🎀 bow, ribbon | 蝴蝶结
🏆
⚽ soccer ball, football | 足球
🏀
🏈 american football | 橄榄球
⚾
🎾 tennis racket, tennis | 网球拍, 网球
🎳 bowling | 保龄球
🏓 ping pong | 乒乓球
🏸 badminton | 羽毛球
⛸️ ice skate | 冰鞋
🎯 target, dartboard | 靶子
🪁
🎱 billiard ball | 台球
🔮
🎮 game controller | 游戏手柄
🎲 dice | 骰子
🧩 puzzle piece, puzzle | 拼图
🧸 teddy bear | 玩具熊
🎭 theater masks | 戏剧面具
🎨 paint palette | 调色板
🧶 yarn, ball of yarn | 毛线球
👓 glasses | 眼镜
🕶️ sunglasses | 墨镜, 太阳镜
👔 necktie, tie | 领带
👕 t-shirt, shirt | 短袖衫
👖 jeans, trousers | 牛仔裤, 裤子
🧣
🧤
🧥
🧦
👗
👙
👜
🎒 backpack, school bag | 背包, 书包
👟 sneaker, running shoe | 运动鞋
👠 high heel | 高跟鞋
👢 boot | 靴子
👑
👒 sun hat, straw hat | 草帽
🎩
🎓
🧢 baseball cap, cap | 棒球帽
💄 lipstick | 口红
💍
💎 diamond, gem | 钻石, 宝石
📣 megaphone | 扩音器
🔔 bell | 铃铛
🎵
🎤
🎧 headphones | 耳机
📻
🎷 saxophone | 萨克斯
🪗
🎸
🎹 piano, keyboard | 钢琴
🎺
🎻
🥁
📱 phone, mobile phone | 手机
☎️ telephone | 电话
🔋
💻 laptop | 笔记本电脑
🖨️
💾
🧮
🎥 movie camera | 摄影机
🎬 clapperboard | 场记板
📺 television, tv | 电视机, 电视
📷 camera | 照相机, 相机
🔍 magnifying glass | 放大镜
🕯️
💡
🔦
🏮 red lantern, lantern | 灯笼, 红灯笼
📖 open book, book | 打开的书, 书
📚 stack of books, books | 一摞书, 很多书
💰 money bag, bag of money | 钱袋
💵 dollar, banknote | 美元, 钞票
💳
✉️ envelope, letter | 信封, 信
📦 parcel, cardboard box | 包裹, 纸箱
📮 mailbox | 邮筒
✏️
🖌️
💼 briefcase | 公文包
📅
📈 chart | 图表
📌
📏 ruler | 尺子
✂️
🗑️ trash can | 垃圾桶
🔒 lock, padlock | 锁
🔑
🔨
🪓
⚔️ swords | 剑, 双剑
🏹
🛡️
🔧 wrench, spanner | 扳手
⚙️
⚖️ scales | 天平
🧲 magnet | 磁铁
🪜
🧬 dna | 基因
🔬
🔭
📡 satellite dish | 卫星天线
💉
💊
🩺
🚪
🛏️
🛋️ couch, sofa | 沙发
🪑
🚽
🚿
🛁
🧹
🧺 basket | 篮子
🪣
🧯
🛒
⏰
⌚ wristwatch | 手表
⏳ hourglass | 沙漏
🗿 stone face, moai | 摩艾石像
🔪 knife | 刀, 菜刀
🥄 spoon | 勺子
🥢
🏺 vase, amphora | 陶罐
☂️ umbrella | 雨伞, 伞
🧊
🦴 bone | 骨头
🗺️ map | 地图
🧭 compass | 指南针
💣
💥 explosion | 爆炸
❤️ heart | 心, 爱心
💬 hello, speech bubble | 你好, 对话气泡
🛹
🚨 police light | 警灯
🚧 roadblock, barrier | 路障
""",
    "person": """
👨 man | 男人, 男士
👩 woman | 女人, 女士
👧
👶 baby | 婴儿, 宝宝
👵 old woman, grandmother | 老奶奶
🧑‍🚀 astronaut, spaceman | 宇航员, 航天员
🧑‍🍳 cook, chef | 厨师
🧑‍🚒
👮 police officer, policeman | 警察
👷 builder, construction worker | 建筑工人
🕵️
👸 princess | 公主
🎅 santa claus, santa | 圣诞老人
🧙 wizard | 巫师, 法师
🧛
🧜 mermaid | 美人鱼
🧟
🧚
👼 angel | 天使
🥷
🏃 runner | 跑步的人
💃 dancer, dancing woman | 跳舞的女人
🕺
🏄 surfer | 冲浪的人
🏊 swimmer | 游泳的人
🚴 cyclist | 骑自行车的人
🏂 snowboarder | 滑雪的人
🏋️ weightlifter | 举重的人
👻 ghost | 鬼, 幽灵
👽 alien | 外星人
🤖 robot | 机器人
""",
    "face": """
😊 smiling, smile, smiling face | 微笑, 笑脸
😂 laughing, laughter | 大笑, 笑哭
😍 heart eyes | 爱心眼
😎 cool | 酷
😭 crying, tears | 哭泣, 哭
😡 angry, anger | 生气, 愤怒
😱 screaming, fear | 尖叫, 害怕
😴 sleeping | 睡觉
😷 face mask | 口罩
🤡 clown | 小丑
🤠 cowboy | 牛仔
😈 devil | 恶魔
💀 skull | 骷髅头, 头骨
💩 poop | 大便
""",
    "hand": """
👋 wave, waving, waving hand | 挥手, 招手
👍 thumbs up | 点赞, 竖大拇指
👎 thumbs down | 差评
✌️ victory sign | 胜利手势
🤝 handshake | 握手
🙏 praying, prayer | 祈祷
💪 muscle, strong arm | 肌肉
👀 eyes | 眼睛
👂 ear | 耳朵
👃 nose | 鼻子
👄 lips, mouth | 嘴唇, 嘴
🦷 tooth | 牙齿
🧠 brain | 大脑
🦶 foot | 脚
""",
}
