"""Stop words: words so common in dialogue that a matching line may lack them.

Lists made for documents exclude too much: "who", "nothing" and "home" are what people remember of a
line. Languages without a list have no stop words.
"""

STOP_WORDS: dict[str, str] = {
    "en": """
        a an the this that these those and or but if so of to in on at by for with from as into
        i you he she it we they me him her us them my your his its our their
        am is are was were be been being do does did have has had will would shall should can could
        i'm you're he's she's it's we're they're i've you've we've they've i'd you'd i'll you'll
        he'll she'll it'll we'll they'll that's there's there what's just
        oh uh um ah well yeah hey
    """,
    "zh": """
        的 了 吗 呢 吧 啊 呀 嘛 啦 哦 喔 嗯 哎 唉 是 在 和 与 及 就 也 都 而 又 着 过 得 地
        我 你 您 他 她 它 我们 你们 他们 她们 咱们 这 那 这个 那个 个 把 被 给 对 向 有 上 里
    """,
    "de": """
        der die das den dem des ein eine einen einem einer und oder aber wenn dass zu in im an am
        auf bei für mit von vom aus als ich du er sie es wir ihr mich dich ihn uns euch mir dir
        ihm mein meine dein deine sein seine bin bist ist sind seid war waren habe hast hat haben
        wird werden doch denn ja auch so
    """,
    "fr": """
        le la les l un une des du de d et ou mais si que qu à au aux en dans sur pour par avec je
        j tu il elle on nous vous ils elles me m te t se s lui mon ma mes ton ta tes son sa ses
        suis es est sommes êtes sont était ai as a avons avez ont ce c cet cette ça y ne n
    """,
    "es": """
        el la los las un una unos unas y o pero si que de del a al en con por para se me te le les
        lo nos os yo tú él ella nosotros ellos ellas mi tu su es son era soy eres está están estoy
        he has ha hay este esta esto ese esa eso
    """,
    "it": """
        il lo la i gli le l un uno una e o ma se che di del della dei delle a al alla da dal in nel
        nella con su per mi ti si ci vi io tu lui lei noi voi loro mio mia tuo tua suo sua sono sei
        è siamo siete era ho hai ha abbiamo questo questa quello quella
    """,
    "pt": """
        o a os as um uma e ou mas se que de do da dos das em no na nos nas com por para me te lhe
        eu tu ele ela nós eles elas você vocês meu minha seu sua é são era sou está estão estou
        isso isto este esta
    """,
    "nl": """
        de het een en of maar als dat van te in op aan bij voor met uit ik jij je hij zij ze wij we
        jullie mij me jou hem haar ons hen mijn jouw zijn is ben bent was waren heb heeft hebben er
    """,
    "ru": """
        и или а но если что в во на с со к ко о об по за из от до у для не я ты он она оно мы вы
        они меня тебя его её нас вас их мне тебе ему ей нам вам им мой моя твой твоя бы же ли это
        был была было были
    """,
    "ja": "は が を に へ と で の も や か ね よ な だ です ます った て た る い",
}
