"""The words of the drawn films with text: dialogue, signs, headlines, cards and credits.

No line is used twice. A cue has one or two rows, separated by a line break.
"""

ENGLISH: tuple[str, ...] = (
    "You came back for the lighthouse.",
    "Nobody has slept since the storm.",
    "I told you to wait in the car.",
    "She left the keys under the mat.",
    "We should have turned left.",
    "Listen to me very carefully.",
    "That bridge was never finished.",
    "Run!",
    "He used to play the violin here.",
    "They will be looking for us by morning.",
    "I don't remember the colour of her eyes.",
    "Keep the change.",
    "My brother built this boat.",
    "There is no one left to ask.",
    "Put the phone down and look at me.",
    "It was raining the day we met.",
    "You have his smile, you know.",
    "The train leaves in ten minutes.",
    "Everyone in this town keeps a secret.",
    "I only wanted to hear your voice.",
    "Let me carry that for you.",
    "The doctor says it is nothing serious.",
    "Not here, people are watching.",
    "I would do it all over again.",
    "He never learned how to swim.",
    "Close the window before you go.",
    "We buried it behind the old school.",
    "This is the last of the bread.",
    "You promised me a different life.",
    "I can hear the sea from my room.",
    "Turn off the lights and be quiet.",
    "Someone has been reading my letters.",
    "There were four of us that summer.",
    "The map is wrong.",
    "Tomorrow we start from the beginning.",
    "I kept every ticket.",
    "Wake up, we are almost there.",
    "Nothing grows on this side of the hill.",
    "He sold the house without telling us.",
    "Wait for my signal.",
    "The snow will cover our tracks.",
    "You were always the brave one.",
    "I have been walking since dawn.",
)

CHINESE: tuple[str, ...] = (
    "你终于回来了",
    "昨天晚上的雨下得真大",
    "别站在窗户旁边",
    "我把钥匙放在门口的花盆下面",
    "这座桥已经没有人走了",
    "快往山上跑",
    "她的信我一封也没有拆开",
    "我们从小一起在这条街上长大",
    "请你仔细听我说",
    "火车还有十分钟就要开了",
    "谁也不知道他去了哪里",
    "妈妈今天做了你爱吃的红烧肉",
    "我记得那年夏天特别热",
    "把灯关掉",
    "医生说再休息几天就好了",
    "你笑起来跟你爸爸一模一样",
    "海边的风比城里大得多",
    "他从来没有学会游泳",
    "这是最后一张车票",
    "天亮以前我们必须离开",
    "对不起 我来晚了",
    "有人动过我的书包",
    "明天一切都会重新开始",
    "这张地图画错了",
    "只要你愿意 我就陪你去",
    "山那边什么也没有",
    "房子上个月已经卖掉了",
    "你一直是我们当中最勇敢的",
    "雪会盖住我们的脚印",
    "等我的信号再行动",
    "我想听听你的声音",
    "面包只剩下这么一点了",
    "下一站就是终点站",
    "那封电报是假的",
    "老师傅修了一辈子的钟表",
    "他们天一亮就会来找我们",
    "院子里的桂花开了",
    "我可以再等你十年",
    "你听见楼上的脚步声了吗",
)

BOTH: tuple[tuple[str, str], ...] = (
    ("我不是来跟你吵架的", "I did not come here to argue."),
    ("这件事只有你我知道", "Only the two of us know about this."),
    ("船长 前面有灯光", "Captain, there is a light ahead."),
    ("她等了整整一个冬天", "She waited for a whole winter."),
    ("你欠我一顿晚饭", "You owe me a dinner."),
    ("我们永远不会忘记今天", "We will never forget this day."),
    ("别回头 一直往前走", "Don't look back, just keep walking."),
)

ENGLISH_TWO_ROWS: tuple[str, ...] = (
    "I looked in every room.\nEven on the roof.",
    "If you open that door,\nI can't help you.",
    "Go home and rest.\nWe'll talk tomorrow.",
    "My father was a sailor,\nand so was his.",
    "- Did you see his face?\n- It was too dark.",
)

CHINESE_TWO_ROWS: tuple[str, ...] = (
    "如果当初我没有离开\n今天会不会不一样",
    "他说他只去一个月\n结果去了二十年",
    "你要是真的想走\n我也不会拦着你",
    "山上的路不好走\n天黑以前一定要下来",
)

ENGLISH_PUNCTUATION: tuple[str, ...] = (
    "Where were you at 7:30 on Friday?",
    "Well... it's complicated, isn't it?",
    'He said "never", and he meant it.',
    "Room 412, third floor. Hurry!",
    "Mr. O'Brien owes us $2,500.",
    "What?! You sold Grandma's piano?",
    "Dr. Ivanova left Prague in 1968.",
    "Flight BA-117, gate 23... that's us!",
)

CHINESE_PUNCTUATION: tuple[str, ...] = (
    "你到底是谁？",
    "李建国，1987年出生。",
    "等等……你听，什么声音？",
    "他只说了一句：“别等我。”",
    "房租涨到3500块了！",
    "王小姐，您的电话！",
)

# Language and text.
SIGNS: tuple[tuple[str, str], ...] = (
    ("en", "NO PARKING"),
    ("zh-Hans", "人民公园"),
    ("en", "Harbour Street"),
    ("zh-Hans", "小心台阶"),
    ("en", "EXIT"),
    ("zh-Hans", "禁止停车"),
    ("en", "Welcome to Millbrook"),
    ("zh-Hans", "新华书店"),
    ("en", "Fresh Bread Daily"),
    ("zh-Hans", "出口"),
    ("en", "Beware of the Dog"),
    ("zh-Hans", "老王修车铺"),
    ("en", "Rooms from 45 a Night"),
    ("zh-Hans", "今日特价 牛肉面"),
    ("en", "BUS STOP"),
    ("zh-Hans", "前方学校 减速慢行"),
)

# Headline, smaller headline, the rows below.
HEADLINES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "LIGHTHOUSE GOES DARK",
        "Fishermen fear for the winter fleet",
        (
            "For the first time in ninety years",
            "the lamp at Gull Point was not lit",
            "last night. The keeper has not been",
            "seen since Sunday, and the harbour",
            "office is asking anyone who spoke",
            "with him to come forward at once.",
        ),
    ),
    (
        "Bank Robbers Escape by Balloon",
        "Police search three counties in vain",
        (
            "Four masked men took a sum that the",
            "manager would not name and left the",
            "roof of the bank in a red balloon.",
            "A strong wind carried them to the",
            "north, where a farmer found nothing",
            "but an empty basket and two hats.",
        ),
    ),
)

# Language, text, colour of the ground, colour of the text.
CARDS: tuple[tuple[str, str, str, str], ...] = (
    ("en", "The Last Lighthouse", "#000000", "#ffffff"),
    ("zh-Hans", "三年以后", "#000000", "#e8e8e8"),
    ("en", "Chapter Two: The Letter", "#efe6d2", "#2a2018"),
    ("zh-Hans", "第三章 归途", "#5a1220", "#f2d9a0"),
)

# Language, role, name.
CREDITS: tuple[tuple[str, str, str], ...] = (
    ("en", "Directed by", "Mara Lindqvist"),
    ("en", "Written by", "Thomas Okafor"),
    ("en", "Producer", "Elena Petrova"),
    ("en", "Cinematography", "Hugo Barros"),
    ("en", "Film Editor", "Sofia Castellano"),
    ("en", "Music", "Daniel Weiss"),
    ("en", "Costume Design", "Aoife Kelly"),
    ("en", "Sound Mixer", "Peter Novak"),
    ("en", "Gaffer", "Lucas Andersen"),
    ("en", "Script Supervisor", "Priya Raman"),
    ("en", "Location Manager", "George Papadakis"),
    ("en", "Stunt Coordinator", "Victor Almeida"),
    ("zh-Hans", "导演", "陈思远"),
    ("zh-Hans", "编剧", "林晓梅"),
    ("zh-Hans", "摄影指导", "赵国强"),
    ("zh-Hans", "美术设计", "周雨桐"),
    ("zh-Hans", "录音", "孙志明"),
    ("zh-Hans", "剪辑", "何佳怡"),
    ("zh-Hans", "灯光", "马建军"),
    ("zh-Hans", "场记", "吴静"),
)
